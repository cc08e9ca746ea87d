"""The Wan family: Wan 2.1, Wan 2.2, and the embedded model `starter`, on diffusers' Wan pipelines."""

from models.wan.handler import handler

__all__ = ["handler"]
