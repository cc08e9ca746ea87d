"""Music and sound: ACE-Step and Stable Audio 3."""

from models.music.architectures import ARCHITECTURES
from shared.diffusion.family import DiffusersFamily

handler = DiffusersFamily("music", "Music and sound", 2195, ARCHITECTURES)

__all__ = ["handler"]
