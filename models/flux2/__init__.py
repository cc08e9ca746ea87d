"""The FLUX.2 family: pictures from a text and up to ten others; dev, and the small Klein."""

from models.flux2.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("flux2", "FLUX.2", 1101, ARCHITECTURES)

__all__ = ["handler"]
