"""The HiDream family: pictures from a text."""

from models.hidream.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("hidream", "HiDream", 1130, ARCHITECTURES)

__all__ = ["handler"]
