"""LTX-2 (19B), LTX-2.3 and LTX-2.5 (22B): clips with their sound, on diffusers' LTX2ConditionPipeline."""

from models.ltx2.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("ltx2", "LTX-2", 40, ARCHITECTURES)

__all__ = ["handler"]
