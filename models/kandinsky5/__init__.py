"""Kandinsky 5: clips from a text or a picture, pictures from a text and edits of them, on diffusers' pipelines."""

from models.kandinsky5.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("kandinsky5", "Kandinsky 5", 50, ARCHITECTURES)

__all__ = ["handler"]
