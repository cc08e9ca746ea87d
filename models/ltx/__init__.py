"""LTX-Video (the 13B models), on diffusers' LTXConditionPipeline."""

from models.ltx.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("ltxv", "LTX Video", 30, ARCHITECTURES)

__all__ = ["handler"]
