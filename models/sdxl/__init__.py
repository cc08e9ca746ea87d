"""Stable Diffusion XL: from a text, from a picture, repainting, ControlNet, IP-Adapter."""

from models.sdxl.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("sdxl", "Stable Diffusion XL", 1090, ARCHITECTURES)

__all__ = ["handler"]
