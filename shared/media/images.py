"""Pictures: read from anything a user can hand in, fitted to a size, enlarged, saved."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Callable, Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from shared.core.errors import MediaError
from shared.core.metadata_schemes import scheme_text
from shared.core.paths import write_atomic
from shared.core.virtual_path import parse_virtual_media_path
from shared.media.metadata_images import SchemeText, embed_in_image
from shared.media.names import numbered
from shared.media.resize import fit, lanczos_scale, upsample
from shared.media.settings_text import DoesNotFit, settings_text
from shared.media.sniff import is_video_file, sniff
from shared.media.video import frame_at
from shared.media.virtual import as_uint8, get_virtual_media_vsource, virtual_frames

__all__ = [
    "data_uri_bytes",
    "encode_image",
    "fit",
    "image_extension",
    "is_data_uri",
    "lanczos_scale",
    "load_image",
    "load_mask",
    "save_image",
    "save_images",
    "upsample",
]

MAX_PIXELS = 120_000_000
MAX_FILE_BYTES = 512 * 2**20
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "PPM")
WHITE = (255, 255, 255)
MAX_SIDE = {".jpg": 65535, ".webp": 16383}

ImageSource = str | PathLike[str] | bytes | Image.Image | NDArray[Any]


def load_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """An upright RGB picture from a path, a data URI, bytes, a PIL picture or an array.

    A path may carry a virtual suffix and may lead to a video: its `start_frame` is taken. Colours come out as sRGB,
    transparent parts on white. Raises MediaError for what is missing, damaged, no picture, or over `max_pixels`.
    """
    image, name = _opened(_chosen_frame(source), max_pixels)
    return _checked(lambda: _to_rgb(image), name)


def load_mask(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A mask in mode L, 255 = selected: the brightness of the picture, or its alpha when that is what it holds."""
    image, name = _opened(_chosen_frame(source), max_pixels)
    return _checked(lambda: _to_mask(image), name)


def _chosen_frame(source: ImageSource) -> ImageSource:
    """The one frame that a path names inside a video or in memory; a path of a picture without its suffix."""
    if not isinstance(source, (str, PathLike)) or is_data_uri(source):
        return source
    spec = parse_virtual_media_path(source)
    start = 0 if spec is None else spec.start_frame
    if spec is not None and get_virtual_media_vsource(spec):
        frames, _ = virtual_frames(spec)
        return frames[min(max(start, -len(frames)), len(frames) - 1)]
    path = str(fspath(source)) if spec is None else spec.source_path
    return frame_at(path, start) if is_video_file(path) else path


def _opened(source: ImageSource, max_pixels: int) -> tuple[Image.Image, str]:
    """The picture, undecoded, and what to call it in a message."""
    if isinstance(source, Image.Image):
        _check_pixels(source.size, "the picture", max_pixels)
        return source, "the picture"
    if isinstance(source, np.ndarray):
        return _from_array(source), "the picture"
    data, name = _bytes_of(source)
    return _open_bytes(data, name, max_pixels), name


def _bytes_of(source: str | PathLike[str] | bytes) -> tuple[bytes, str]:
    if isinstance(source, (bytes, bytearray)):
        return bytes(source), "the picture"
    if not isinstance(source, (str, PathLike)):
        raise MediaError(f"A picture cannot be made from {type(source).__name__}; give a path, bytes or a PIL picture.")
    text = str(fspath(source))
    if is_data_uri(text):
        return data_uri_bytes(text), "the picture in the data URI"
    try:
        if Path(text).stat().st_size > MAX_FILE_BYTES:
            raise MediaError(f"{text}: the file is larger than {MAX_FILE_BYTES >> 20} MB, too large for a picture.")
        return Path(text).read_bytes(), text
    except FileNotFoundError as exc:
        raise MediaError(f"{text}: there is no such file.") from exc
    except OSError as exc:
        raise MediaError(f"{text}: the file cannot be read, {exc.strerror or exc}.") from exc
    except ValueError as exc:
        raise MediaError(f"{text[:80]!r} is not a path.") from exc


def is_data_uri(source: str | PathLike[str]) -> bool:
    """Whether the text carries its content in itself (`data:image/png;base64,...`)."""
    return isinstance(source, str) and source[:5].lower() == "data:"


def data_uri_bytes(uri: str) -> bytes:
    """The content of a `data:` URI. Raises MediaError when it is damaged."""
    head, comma, body = uri.partition(",")
    if not comma:
        raise MediaError("The data URI has no content: a comma is missing after its type.")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MediaError("The data URI is damaged: its content is not base64.") from exc


def _open_bytes(data: bytes, name: str, max_pixels: int) -> Image.Image:
    found = sniff(data[:4096])
    if found.kind in ("empty", "text", "archive", "audio", "video") or found.extension == ".heic":
        raise MediaError(f"{name}: this is {found.words}, not a picture that can be read (PNG, JPEG, WebP, ...).")
    image = _checked(lambda: Image.open(io.BytesIO(data), formats=FORMATS), name)
    _check_pixels(image.size, name, max_pixels)
    return image


def _check_pixels(size: tuple[int, int], name: str, max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise MediaError(
            f"{name}: {size[0]}x{size[1]} is {size[0] * size[1] / 1e6:.0f} million pixels; "
            f"at most {max_pixels / 1e6:.0f} million are accepted. Make the picture smaller."
        )
    if not size[0] or not size[1]:
        raise MediaError(f"{name}: the picture has no pixels ({size[0]}x{size[1]}).")


def _checked(read: Callable[[], Image.Image], name: str) -> Image.Image:
    """Run a step of Pillow; what it raises on damaged data becomes MediaError."""
    try:
        return read()
    except Image.DecompressionBombError as exc:
        raise MediaError(f"{name}: the picture has far too many pixels.") from exc
    except (OSError, ValueError, SyntaxError, IndexError, TypeError, EOFError, OverflowError) as exc:
        raise MediaError(f"{name}: the picture is damaged or cut short ({_reason(exc)}).") from exc


def _reason(exc: Exception) -> str:
    text = str(exc)
    return "its data cannot be read" if not text or "BytesIO" in text else text


def _from_array(array: NDArray[Any]) -> Image.Image:
    pixels = as_uint8(array)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[-1] not in (3, 4)) or not pixels.size:
        raise MediaError(f"An array of shape {array.shape} is not a picture; (height, width, 3) is.")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _to_rgb(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    flat = _eight_bits(upright)
    if flat.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in flat.info:
        layer = flat.convert("RGBA")
        flat = Image.new("RGB", layer.size, WHITE)
        flat.paste(layer, mask=layer.getchannel("A"))
    profile = image.info.get("icc_profile")
    if profile and flat.mode in ("RGB", "CMYK", "L"):
        flat = _to_srgb(flat, profile)
    rgb = flat.convert("RGB")
    return Image.frombytes("RGB", rgb.size, rgb.tobytes())


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pictures of 16 bits, 32 bits or floats a channel, brought to 8 bits without clipping."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image).astype(np.float64)
    top = 65535.0 if image.mode.startswith("I") else max(float(values.max(initial=0)), 1.0)
    return Image.fromarray(np.clip(np.rint(values * (255.0 / top)), 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        converted = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, TypeError):
        return image
    return converted or image


def _to_mask(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    layer = _eight_bits(upright)
    if layer.mode in ("RGBA", "LA", "PA") or "transparency" in layer.info:
        rgba = layer.convert("RGBA")
        alpha, brightness = rgba.getchannel("A"), rgba.convert("RGB").convert("L")
        low, high = brightness.getextrema()
        return alpha if low == high and alpha.getextrema() != (255, 255) else brightness
    return layer.convert("L")


def image_extension(codec: str) -> str:
    """The file extension that an `image_output_codec` of the configuration writes (".jpg", ".png", ".webp")."""
    return _encoder(codec)[0]


def _encoder(codec: str) -> tuple[str, str, dict[str, Any]]:
    """Extension, Pillow format and its options for "png", "jpeg_95", "webp_90", "webp_lossless" and their like."""
    if codec == "png":
        return ".png", "PNG", {"compress_level": 4}
    if codec == "webp_lossless":
        return ".webp", "WEBP", {"lossless": True, "quality": 40, "exact": True}
    match = re.fullmatch(r"(jpe?g|webp)_(\d{1,3})", codec)
    if match is None or not 1 <= int(match[2]) <= 100:
        raise MediaError(
            f"image_output_codec: {codec!r} is not known. Accepted: png, jpeg_1 to jpeg_100, webp_1 to webp_100, "
            "webp_lossless."
        )
    quality = int(match[2])
    if match[1] == "webp":
        return ".webp", "WEBP", {"quality": quality, "method": 4}
    return ".jpg", "JPEG", {"quality": quality, "subsampling": 0 if quality >= 90 else 2, "optimize": True}


def save_image(
    image: Image.Image | NDArray[np.uint8],
    path: str | PathLike[str],
    codec: str = "jpeg_95",
    settings: Mapping[str, Any] | None = None,
    scheme: str = "",
) -> Path:
    """Write one picture, its settings inside, whole or not at all; the path's extension is made that of the codec.

    With a `scheme` of `metadata_schemes.SCHEMES` they are inside as that program writes them as well.
    Returns the path written. Settings too large for a JPEG go into a .json file beside it. Raises MediaError for an
    unknown codec, a picture too large for the format, or a disk that cannot take it.
    """
    extension, kind, options = _encoder(codec)
    target = with_extension(path, extension)
    picture = image if isinstance(image, Image.Image) else _from_array(image)
    limit = MAX_SIDE.get(extension)
    if limit is not None and max(picture.size) > limit:
        raise MediaError(
            f"{target}: a picture of {picture.width}x{picture.height} does not fit the {kind} format (at most {limit} "
            "pixels a side). Choose the image codec png."
        )
    if kind == "JPEG" or picture.mode not in ("RGB", "RGBA", "L"):
        picture = _to_rgb(picture)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    data = buffer.getvalue()
    if settings is None:
        return write_atomic(target, data)
    try:
        also = SchemeText(scheme, scheme_text(settings, scheme, picture.size)) if scheme else None
        return write_atomic(target, embed_in_image(data, settings, also))
    except DoesNotFit:
        write_atomic(target.with_suffix(".json"), settings_text(settings).encode())
        return write_atomic(target, data)


def encode_image(source: ImageSource, codec: str) -> bytes:
    """A picture's bytes in the format of an image codec; its settings are not carried over. Raises MediaError."""
    _, kind, options = _encoder(codec)
    buffer = io.BytesIO()
    load_image(source).save(buffer, kind, **options)
    return buffer.getvalue()


def save_images(
    images: Iterable[Image.Image | NDArray[np.uint8]],
    path: str | PathLike[str],
    codec: str = "jpeg_95",
    settings: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a batch: a single picture as `path`, several as `path` with `_1`, `_2`, ... before the extension."""
    batch = list(images)
    if len(batch) == 1:
        return [save_image(batch[0], path, codec, settings)]
    target = with_extension(path, image_extension(codec))
    return [save_image(image, numbered(target, number), codec, settings) for number, image in enumerate(batch, 1)]


def with_extension(path: str | PathLike[str], extension: str) -> Path:
    """The path with `extension`, in place of another picture's extension or after a name that has none."""
    path = Path(path)
    known = (".jpg", ".jpeg", ".png", ".webp")
    if path.suffix.lower() == extension or (extension == ".jpg" and path.suffix.lower() == ".jpeg"):
        return path
    return path.with_suffix(extension) if path.suffix.lower() in known else path.with_name(path.name + extension)
