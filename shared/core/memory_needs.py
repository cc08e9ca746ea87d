"""What a run takes besides its weights: activations of the denoiser, decoding by the VAE. Computed without torch.

The figures are peaks of eager runs on tensors without data (torch 2.13, diffusers 0.42), measured again in part by
tests/diffusion/test_memory_measured.py. They hold within about a fifth; a network that is not in the tables counts as
the usual of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Bytes a token that the widest point of a block holds, in units of (width x 2 bytes); with batched guidance both
# passes are made at once.
_ACTIVATIONS: Mapping[str, float] = {"QwenImageTransformer2DModel": 15.5, "FluxTransformer2DModel": 17.4}
_USUAL_ACTIVATION = 18.5
# Wan's blocks by width and by width of the feed-forward layer: 1.51 GiB for 1.3B, 3.49 GiB for 14B at 832x480x81.
_WAN_ACTIVATION = (6.9, 1.58)
_BATCHED_GUIDANCE = (
    "LTXVideoTransformer3DModel", "LTX2VideoTransformer3DModel", "UNet2DConditionModel", "ZImageTransformer2DModel",
    "SD3Transformer2DModel", "StableAudioDiTModel",
)  # fmt: skip
# A UNet's activations by latent pixel: 1.1 GiB for SDXL at 1024x1024 with guidance.
_UNET_BYTES_PER_LATENT = 36_000
_TEXT_TOKENS = 512


@dataclass(frozen=True)
class DecodeCost:
    """Values held while decoding, by pixel of a frame: `fixed`, and `per_frame` more for each frame at once.

    `chunk` is how many frames are decoded at once, where the VAE cuts time by itself (0: all).
    """

    fixed: float
    per_frame: float
    chunk: int = 0


_DECODING: Mapping[str, DecodeCost] = {
    "AutoencoderKLWan": DecodeCost(5060, 3),
    "AutoencoderKLQwenImage": DecodeCost(1729, 3),
    "AutoencoderKL": DecodeCost(768, 3),
    "AutoencoderKLFlux2": DecodeCost(768, 3),
    "AutoencoderKLLTXVideo": DecodeCost(0, 43),
    "AutoencoderKLLTX2Video": DecodeCost(0, 43),
    "AutoencoderKLHunyuanVideo": DecodeCost(0, 950, 17),
    "AutoencoderKLHunyuanVideo15": DecodeCost(0, 950),
}
_USUAL_VIDEO_DECODING = DecodeCost(0, 60)
_USUAL_PICTURE_DECODING = DecodeCost(1729, 3)
# VAEs whose memory grows with the square of the picture: without tiles no card is large enough.
ALWAYS_TILED = ("AutoencoderKLHunyuanVideo", "AutoencoderKLHunyuanVideo15")
# Floats and bytes of each finished pixel while results are turned into pictures.
_CONVERSION_BYTES = 3 * (4 + 4 + 1)


@dataclass(frozen=True)
class Shape:
    """What is made at once: size in pixels, frames, samples, and whether guidance doubles the passes."""

    width: int
    height: int
    frames: int = 1
    samples: int = 1
    has_guidance: bool = True


def activation_bytes(class_name: str, config: Mapping[str, Any], vae: Mapping[str, Any], shape: Shape) -> float:
    """The denoiser's activations at their peak, with weights in 16 bits.

    `config` and `vae` are the config.json of the denoiser and of the VAE.
    """
    batch = shape.samples * (2 if shape.has_guidance and class_name in _BATCHED_GUIDANCE else 1)
    space, time = vae_scales(vae)
    latents = (shape.width / space) * (shape.height / space) * ((shape.frames - 1) // time + 1)
    if class_name.startswith("UNet"):
        return batch * latents * _UNET_BYTES_PER_LATENT
    tokens = latents / _patch_volume(class_name, config) + _TEXT_TOKENS
    width = _width(config)
    if class_name.startswith(("Wan", "SkyReels", "ChronoEdit")):
        per_token = _WAN_ACTIVATION[0] * width + _WAN_ACTIVATION[1] * float(config.get("ffn_dim") or 2.7 * width)
    else:
        per_token = _ACTIVATIONS.get(class_name, _USUAL_ACTIVATION) * width
    return batch * tokens * per_token * 2


def decode_bytes(
    class_name: str, config: Mapping[str, Any], shape: Shape, itemsize: float, tile_px: int | None = None
) -> float:
    """What decoding one sample takes at its peak, in tiles of `tile_px` pixels a side or whole.

    `config` is the VAE's config.json; `itemsize` are the bytes of one of its values.
    """
    is_video = "latents_mean" in config or "temporal" in str(config.keys()) or "Video" in class_name
    usual = _USUAL_VIDEO_DECODING if is_video and shape.frames > 1 else _USUAL_PICTURE_DECODING
    cost = _DECODING.get(class_name, usual)
    pixels = shape.width * shape.height
    side = float(tile_px or 0)
    tile = min(side, shape.width) * min(side, shape.height) if tile_px else pixels
    frames = min(shape.frames, cost.chunk) if cost.chunk else shape.frames
    decoding = itemsize * tile * (cost.fixed * _relative_width(class_name, config) + cost.per_frame * frames)
    finished = pixels * shape.frames * 3 * itemsize * (2 if tile_px else 1)
    return decoding + finished + pixels * shape.frames * _CONVERSION_BYTES


def vae_scales(config: Mapping[str, Any]) -> tuple[int, int]:
    """Pixels of a latent along a side, and frames of a latent frame."""
    if config.get("spatio_temporal_scaling"):
        return _scales_of_ltx(config)
    channels = config.get("block_out_channels") or ()
    space = config.get("scale_factor_spatial") or config.get("spatial_compression_ratio")
    time = config.get("scale_factor_temporal") or config.get("temporal_compression_ratio")
    if not time:
        time = 2 ** sum(map(bool, config.get("temperal_downsample") or ()))
    if not space:
        space = 2 ** (len(channels) - 1) if len(channels) > 1 and "z_dim" not in config else 8
    return int(space), int(time)


def _scales_of_ltx(config: Mapping[str, Any]) -> tuple[int, int]:
    """LTX names what each of its blocks halves; a block of no named kind halves both."""
    scaled = list(config["spatio_temporal_scaling"])
    kinds = [*(config.get("downsample_type") or ()), *["both"] * len(scaled)]
    halved = [kind for kind, is_scaled in zip(kinds, scaled, strict=False) if is_scaled]
    space = int(config.get("patch_size") or 1) * 2 ** sum(kind != "temporal" for kind in halved)
    return space, int(config.get("patch_size_t") or 1) * 2 ** sum(kind != "spatial" for kind in halved)


def _patch_volume(class_name: str, config: Mapping[str, Any]) -> float:
    patch = config.get("patch_size") or config.get("all_patch_size") or 1
    sides = [float(value) for value in patch] if isinstance(patch, (list, tuple)) else []
    if len(sides) == 3:
        return sides[0] * sides[1] * sides[2]
    if class_name.startswith(("Flux", "QwenImage", "Chroma")):
        return 4.0  # these pack 2x2 latents before the network
    time = float(config.get("patch_size_t") or 1)
    side = sides[0] if sides else float(patch)
    return side * side * time


def _width(config: Mapping[str, Any]) -> float:
    heads, head = config.get("num_attention_heads"), config.get("attention_head_dim")
    for key in ("model_dim", "hidden_size", "dim", "inner_dim"):
        if isinstance(config.get(key), (int, float)):
            return float(config[key])
    return float(heads) * float(head) if isinstance(heads, int) and isinstance(head, int) else 3072.0


def _relative_width(class_name: str, config: Mapping[str, Any]) -> float:
    """How wide a Wan or Qwen decoder is beside the published one."""
    base = config.get("decoder_base_dim") or config.get("base_dim")
    if not base:
        return 1.0
    residual = 1.55 if config.get("is_residual") else 1.0  # 9.64 GiB for 1280x704x121 in Wan 2.2 5B
    return residual * float(base) / 96 / float(config.get("patch_size") or 1) ** 2
