"""The FLUX.1 family: pictures from a text, from a picture, edited by words, parts of them filled."""

from models.flux.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("flux", "FLUX.1", 1100, ARCHITECTURES)

__all__ = ["handler"]
