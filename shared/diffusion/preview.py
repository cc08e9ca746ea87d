"""What a clip looks like while it is made: latents to small pictures by a linear map, in a few milliseconds.

The map is fitted by least squares from the model's own VAE at first use: no table of factors per model is needed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

TILE_HEIGHT_PX = 120
MAX_TILES = 9
_PIXELS_PER_DOT = 4
_FIT_SIDE_PX = 128
_FIT_PICTURES = 6


class LatentPreview:
    """Turns normalised latents (C,T,H,W) into a strip of frames.

    `encode` takes uint8 frames (F,H,W,3) to latents (1,C,T,h,w) `space_scale` times smaller.
    """

    def __init__(self, encode: Callable[[np.ndarray], torch.Tensor], space_scale: int) -> None:
        self.encode, self.space_scale = encode, space_scale
        self.dots = max(1, space_scale // _PIXELS_PER_DOT)
        self._map: torch.Tensor | None = None

    def __call__(self, latents: torch.Tensor) -> Image.Image:
        """The frames of `latents`, at most MAX_TILES evenly spread ones, side by side."""
        if self._map is None:
            self._map = self._fit()
        count = latents.shape[1]
        chosen = np.unique(np.linspace(0, count - 1, min(count, MAX_TILES)).round().astype(int))
        frames = self.to_rgb(latents[:, torch.from_numpy(chosen).to(latents.device)])
        height = TILE_HEIGHT_PX
        width = max(1, round(frames.shape[2] / frames.shape[1] * height))
        strip = Image.new("RGB", (width * len(frames), height))
        for index, frame in enumerate(frames):
            tile = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
            strip.paste(tile, (index * width, 0))
        return strip

    def to_rgb(self, latents: torch.Tensor) -> np.ndarray:
        """Latents (C,T,h,w) as uint8 (T, h * dots, w * dots, 3)."""
        if self._map is None:
            self._map = self._fit()
        vectors = latents.detach().float().cpu().permute(1, 2, 3, 0)
        ones = torch.ones(*vectors.shape[:-1], 1)
        colours = torch.cat([vectors, ones], dim=-1) @ self._map
        frames, height, width = colours.shape[:3]
        colours = colours.reshape(frames, height, width, self.dots, self.dots, 3).permute(0, 1, 3, 2, 4, 5)
        colours = colours.reshape(frames, height * self.dots, width * self.dots, 3)
        return (colours.clamp(0, 1) * 255).round().to(torch.uint8).numpy()

    def _fit(self) -> torch.Tensor:
        """(C + 1, dots * dots * 3): latent vector and 1 to the colours of its dots."""
        pictures = _fit_pictures()
        latents = torch.cat([self.encode(picture[None]) for picture in pictures])[:, :, 0]
        vectors = latents.detach().float().cpu().permute(0, 2, 3, 1).flatten(0, 2)
        colours = torch.from_numpy(pictures).float() / 255
        side = self.space_scale // self.dots
        n, height, width, _ = colours.shape
        h, w = height // self.space_scale, width // self.space_scale
        colours = colours.reshape(n, h, self.dots, side, w, self.dots, side, 3).mean(dim=(3, 6))
        targets = colours.permute(0, 1, 3, 2, 4, 5).reshape(n * h * w, -1)
        matrix = torch.cat([vectors, torch.ones(len(vectors), 1)], dim=1)
        # A small ridge keeps channels that carry nothing (untrained or unused) from blowing up.
        ridge = 1e-3 * len(matrix) * torch.eye(matrix.shape[1])
        return torch.linalg.solve(matrix.T @ matrix + ridge, matrix.T @ targets)


def _fit_pictures() -> np.ndarray:
    """Coloured patches with soft and hard edges, uint8 (N,H,W,3): the same ones every time."""
    random = np.random.default_rng(0)
    pictures = []
    for index in range(_FIT_PICTURES):
        cells = random.integers(0, 256, (2 + 2 * index, 2 + 2 * index, 3), dtype=np.uint8)
        method = Image.Resampling.BICUBIC if index % 2 else Image.Resampling.NEAREST
        pictures.append(np.asarray(Image.fromarray(cells).resize((_FIT_SIDE_PX, _FIT_SIDE_PX), method)))
    return np.stack(pictures)
