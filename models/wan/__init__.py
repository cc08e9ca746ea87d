"""The Wan family: Wan 2.1, Wan 2.2, the embedded model `starter`, and the relatives on their networks."""

from models.wan.architectures import TABLE
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("wan", "Wan", 0, TABLE)

__all__ = ["handler"]
