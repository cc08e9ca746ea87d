"""Masks as picture editors send them: transparent where a picture is to be made anew."""

from __future__ import annotations

import io

from PIL import Image, ImageChops, ImageOps

from shared.core.errors import MediaError
from shared.media.images import ImageSource, load_mask


def edit_mask(source: bytes, size: tuple[int, int]) -> bytes:
    """A mask (PNG, white: made anew) of a size from a picture whose transparent parts, or else white parts, say where.

    Raises MediaError for what is no picture, or selects nothing.
    """
    mask = _transparent(source) or load_mask(source)
    if mask.getbbox() is None:
        raise MediaError("the mask selects nothing: make the parts to be painted anew transparent.")
    buffer = io.BytesIO()
    mask.resize(size, Image.Resampling.BILINEAR).save(buffer, "PNG")
    return buffer.getvalue()


def _transparent(source: ImageSource) -> Image.Image | None:
    """White where the picture is transparent; None where it is nowhere."""
    if not isinstance(source, bytes):
        return None
    try:
        with Image.open(io.BytesIO(source)) as opened:
            if "A" not in opened.getbands() and "transparency" not in opened.info:
                return None
            alpha = ImageOps.exif_transpose(opened).convert("RGBA").getchannel("A")
    except (OSError, ValueError, Image.DecompressionBombError) as exc:
        raise MediaError(f"the mask cannot be read ({exc}).") from exc
    selected = ImageChops.invert(alpha)
    return selected if selected.getbbox() is not None else None
