"""The general family: any pipeline of diffusers by one JSON, with the settings that its signature has room for."""

from models.general.handler import handler

__all__ = ["handler"]
