"""The Krea 2 family: pictures from a text."""

from models.krea2.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("krea2", "Krea 2", 1150, ARCHITECTURES)

__all__ = ["handler"]
