"""Decoding in tiles: only where the whole does not fit, and never with a sliver of a tile at the edge.

A last tile of one or two latents crashes some VAEs (LTX-2, which pads it by reflection) and shows as a seam in others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from diffusers.utils.torch_utils import get_module_execution_device

from shared.core.contracts import Step, WindowRequest
from shared.core.memory_needs import ALWAYS_TILED, Shape, decode_bytes
from shared.diffusion.offload import free_bytes

_ROOM = 0.7
_SIDES_PX = (768, 512, 384, 256, 192, 128)
# `vae_tiling` of the options: what it asks for beside "by need" (0) and "never" (1).
_WISHED_PX = {2: 256, 3: 128}


@contextmanager
def tiled(pipe: Any, model: Any, window: WindowRequest, on_step: Callable[[Step], None]) -> Iterator[None]:
    """Within it, every VAE of `pipe` decodes pictures of this window's size in tiles where needed."""
    for part in pipe.components.values():
        if hasattr(part, "use_tiling") and callable(getattr(part, "decode", None)):
            tile_by_need(part, window.width, window.height, window.num_frames)
    yield


def tile_by_need(vae: Any, width: int, height: int, frames: int) -> int | None:
    """Turn a VAE's tiling on or off for pictures of this size; the side of its tiles in pixels, or None."""
    if not hasattr(vae, "use_tiling"):
        return None
    side = _side(vae, Shape(width, height, frames))
    vae.use_tiling = side is not None
    if side is not None:
        set_tiles(vae, width, height, side)
    _set_framewise(vae, side is not None and getattr(vae, "tiling_policy", 0) == 3)
    return side


def set_tiles(vae: Any, width: int, height: int, side_px: int) -> None:
    """Give a VAE tiles of about `side_px` that divide a picture of this size well."""
    ratio = space_scale(vae)
    sides = {"height": -(-height // ratio), "width": -(-width // ratio)}
    wanted = max(4, side_px // ratio)
    if hasattr(vae, "tile_sample_stride_height"):
        for name, size in sides.items():
            tile, stride = tile_layout(size, wanted)
            setattr(vae, f"tile_sample_min_{name}", tile * ratio)
            setattr(vae, f"tile_sample_stride_{name}", stride * ratio)
            if hasattr(vae, f"tile_latent_min_{name}"):
                setattr(vae, f"tile_latent_min_{name}", tile)
    elif hasattr(vae, "tile_latent_min_height"):
        for name, size in sides.items():
            usual: float = getattr(vae, "tile_overlap_factor", 0.25)
            factor: float = getattr(vae, f"tile_overlap_factor_{name}", None) or usual
            tile = _tile_with_factor((size,), wanted, factor)
            setattr(vae, f"tile_latent_min_{name}", tile)
            setattr(vae, f"tile_sample_min_{name}", tile * ratio)
    elif hasattr(vae, "tile_latent_min_size"):
        tile = _tile_with_factor(tuple(sides.values()), wanted, vae.tile_overlap_factor)
        vae.tile_latent_min_size, vae.tile_sample_min_size = tile, tile * ratio


def tile_layout(size: int, wanted: int) -> tuple[int, int]:
    """Tile and stride, in latents, for a side of `size` latents: tiles of `wanted` or less, the last one not small.

    A side that fits in one tile gets exactly one. Where only larger tiles leave no sliver, those are taken.
    """
    if size <= wanted:
        return size, size
    overlap = max(1, wanted // 4)
    most = wanted - overlap
    smaller, larger = range(most, max(1, most // 2), -1), range(most + 1, 2 * wanted)
    good = (stride for stride in smaller if _last(size, stride) >= max(2, stride // 2))
    sound = (stride for stride in (*smaller, *larger) if _last(size, stride) >= 2)
    stride = next(good, None) or next(sound)
    return stride + overlap, stride


def space_scale(vae: Any) -> int:
    """Pixels of a latent along a side."""
    found = getattr(vae, "spatial_compression_ratio", None)
    found = found or getattr(vae.config, "scale_factor_spatial", None)
    return int(found or 2 ** (len(getattr(vae.config, "block_out_channels", None) or (1, 1, 1, 1)) - 1))


def _tile_with_factor(sizes: tuple[int, ...], wanted: int, factor: float) -> int:
    """The largest tile up to `wanted` whose stride, a fixed share of it, leaves no small last tile on any side."""
    tiles = range(wanted, max(3, wanted // 2), -1)

    def worst(tile: int) -> int:
        stride = int(tile * (1 - factor))
        return min(_last(size, stride) if size > stride else stride for size in sizes)

    whole = [tile for tile in tiles if abs(tile * factor - round(tile * factor)) < 1e-6] or list(tiles)
    good = (tile for tile in whole if worst(tile) >= max(2, int(tile * (1 - factor)) // 2))
    return next(good, None) or max(whole, key=worst)


def _last(size: int, stride: int) -> int:
    """Latents of the last tile."""
    return size - stride * ((size - 1) // stride)


def _side(vae: Any, shape: Shape) -> int | None:
    policy = getattr(vae, "tiling_policy", 0)
    if policy in _WISHED_PX:
        return _WISHED_PX[policy]
    name, config = type(vae).__name__, dict(vae.config)
    needs_tiles = name in ALWAYS_TILED
    if policy == 1 and not needs_tiles:
        return None
    room = _ROOM * free_bytes(get_module_execution_device(vae))
    if not needs_tiles and decode_bytes(name, config, shape, vae.dtype.itemsize) <= room:
        return None
    sides = [side for side in _SIDES_PX if side <= 256 or not needs_tiles]
    fits = (side for side in sides if decode_bytes(name, config, shape, vae.dtype.itemsize, side) <= room)
    return next(fits, sides[-1])


def _set_framewise(vae: Any, wanted: bool) -> None:
    """Cut time as well, where the VAE can; its own way is kept otherwise."""
    if not hasattr(vae, "use_framewise_decoding"):
        return
    if not hasattr(vae, "framewise_by_itself"):
        vae.framewise_by_itself = vae.use_framewise_decoding
    vae.use_framewise_decoding = wanted or vae.framewise_by_itself
