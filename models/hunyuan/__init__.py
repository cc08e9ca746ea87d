"""HunyuanVideo and HunyuanVideo 1.5, from a text and from a picture, on diffusers' pipelines."""

from models.hunyuan.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("hunyuan", "Hunyuan Video", 20, ARCHITECTURES)

__all__ = ["handler"]
