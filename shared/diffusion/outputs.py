"""What diffusers pipelines return, in whatever form, as uint8 frames and float32 sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

_PICTURES = ("frames", "images", "videos", "video", "image")
_SOUNDS = ("audios", "audio", "sound", "sounds")


def frames_of(output: Any) -> list[np.ndarray]:
    """One uint8 array (F,H,W,3) a sample; a single picture is a clip of one frame."""
    pictures = _field(output, _PICTURES)
    if pictures is None:
        return []
    if isinstance(pictures, torch.Tensor):
        return [_from_tensor(sample) for sample in pictures]
    if isinstance(pictures, np.ndarray):
        return [_as_clip(_from_floats(sample)) for sample in pictures]
    return [_from_list(sample) for sample in pictures]


def sounds_of(output: Any) -> list[np.ndarray]:
    """One float32 array (samples, channels) a sample of the batch; empty where there is no sound."""
    sounds = _field(output, _SOUNDS)
    if sounds is None:
        return []
    return [_waveform(sample) for sample in sounds]


def sampling_rate_of(pipe: Any) -> int | None:
    """Samples a second of the sound that `pipe` makes."""
    for part in ("vocoder", "audio_vae", "vae"):
        module = getattr(pipe, part, None)
        config = getattr(module, "config", None)
        for name in ("output_sampling_rate", "sampling_rate", "sample_rate"):
            rate = getattr(config, name, None) or getattr(module, name, None)
            if rate:
                return int(rate)
    return int(getattr(pipe, "sample_rate", 0) or 0) or None


def to_uint8(pictures: torch.Tensor) -> np.ndarray:
    """Floats (F,3,H,W) in 0..1 as uint8 (F,H,W,3), rounded as diffusers does, converted where the tensor lies."""
    pixels = pictures.float().clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _field(output: Any, names: Sequence[str]) -> Any:
    for name in names:
        value = getattr(output, name, None)
        if value is not None:
            return value
    return None


def _from_tensor(sample: torch.Tensor) -> np.ndarray:
    """A picture (3,H,W) or a clip (F,3,H,W) of floats in 0..1."""
    return to_uint8(sample[None] if sample.ndim == 3 else sample)


def _from_floats(sample: np.ndarray) -> np.ndarray:
    if sample.dtype == np.uint8:
        return sample
    return np.rint(np.clip(sample, 0.0, 1.0).astype(np.float32) * 255).astype(np.uint8)


def _from_list(sample: Any) -> np.ndarray:
    """A picture, or a list of the frames (or layers) of one sample."""
    if isinstance(sample, torch.Tensor):
        return _from_tensor(sample)
    if isinstance(sample, np.ndarray):
        return _as_clip(_from_floats(sample))
    pictures = sample if isinstance(sample, (list, tuple)) else [sample]
    return np.concatenate([_as_clip(_picture(picture)) for picture in pictures])


def _picture(picture: Any) -> np.ndarray:
    if isinstance(picture, Image.Image):
        return np.asarray(picture.convert("RGB"))
    return _from_tensor(picture)[0] if isinstance(picture, torch.Tensor) else _from_floats(picture)


def _as_clip(pixels: np.ndarray) -> np.ndarray:
    return pixels[None] if pixels.ndim == 3 else pixels


def _waveform(sample: Any) -> np.ndarray:
    """(channels, samples) or (samples,) as (samples, channels): there are never more channels than samples."""
    values = sample.detach().float().cpu().numpy() if isinstance(sample, torch.Tensor) else np.asarray(sample)
    values = values.astype(np.float32)
    if values.ndim == 1:
        return values[:, None]
    return values if values.shape[0] > values.shape[1] else np.ascontiguousarray(values.T)
