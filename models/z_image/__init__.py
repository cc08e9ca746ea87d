"""The Z-Image family: turbo in eight steps, base, and turbo with a ControlNet."""

from models.z_image.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("z_image", "Z-Image", 1120, ARCHITECTURES)

__all__ = ["handler"]
