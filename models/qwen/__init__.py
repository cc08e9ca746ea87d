"""The Qwen-Image family: pictures from a text, edited, repainted, taken apart into layers."""

from models.qwen.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("qwen", "Qwen", 1110, ARCHITECTURES)

__all__ = ["handler"]
