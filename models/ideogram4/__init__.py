"""The Ideogram 4 family: pictures from a text."""

from models.ideogram4.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("ideogram4", "Ideogram 4", 1140, ARCHITECTURES)

__all__ = ["handler"]
