"""A pool of rendered and encoded clips that the transformer trains on, renewed a few clips at a time."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from .autoencoder import to_tensor
from .frame_autoencoder import SCALE, Z_DIM, FrameAutoencoder
from .scenes import Scene, render, sample_scene


@dataclass(frozen=True)
class Bucket:
    """Clips of one length and size, in frames and pixels; `kept` frames of each are shown to the model (0: all)."""

    frames: int
    height: int
    width: int
    kept: int = 0

    @property
    def grid(self) -> tuple[int, int, int]:
        return self.kept or self.frames, self.height // 32, self.width // 32

    @property
    def tokens(self) -> int:
        frames, rows, columns = self.grid
        return frames * rows * columns

    @property
    def shelf(self) -> "Bucket":
        """The bucket under which the clips lie, whole."""
        return replace(self, kept=0)

    def choose_frames(self, rng: np.random.Generator) -> np.ndarray:
        """Places in time of the frames to show: the first, the last and random ones between, in order."""
        if not self.kept or self.kept >= self.frames:
            return np.arange(self.frames)
        between = rng.choice(np.arange(1, self.frames - 1), self.kept - 2, replace=False)
        return np.sort(np.concatenate([[0, self.frames - 1], between]))


@dataclass
class Shelf:
    """The clips of one bucket: latents float16 (n, 16, f, h, w), foreground bool (n, f, h, w), scenes."""

    latents: Tensor
    foreground: Tensor
    scenes: list[Scene] = field(default_factory=list)
    next_slot: int = 0


class ClipPool:
    """Latents normalised by channel, kept by bucket; the oldest clip of a full shelf makes room for the next."""

    def __init__(self, autoencoder: FrameAutoencoder, mean: Tensor, std: Tensor, capacity: int, centred: float = 0.0):
        self._autoencoder = autoencoder
        self._mean, self._std = mean.view(1, -1, 1, 1), std.view(1, -1, 1, 1)
        self._capacity, self._centred = capacity, centred
        self._shelves: dict[Bucket, Shelf] = {}

    def size(self, bucket: Bucket) -> int:
        return len(self._shelves[bucket.shelf].scenes) if bucket.shelf in self._shelves else 0

    def add(self, bucket: Bucket, count: int, rng: np.random.Generator) -> None:
        """Render and encode `count` new clips."""
        bucket = bucket.shelf
        shelf = self._shelves.get(bucket) or self._new_shelf(bucket)
        for _ in range(count):
            scene = sample_scene(rng, centred=self._centred)
            # Pictures mostly show how a clip begins, because a clip can be continued from a picture.
            first_frame = rng.integers(17) if bucket.frames == 1 and rng.random() < 0.25 else 0
            frames, masks = render(scene, bucket.frames, bucket.height, bucket.width, int(first_frame))
            slot = shelf.next_slot % self._capacity
            shelf.latents[slot] = self._encode(frames)
            shelf.foreground[slot] = cells_with_foreground(masks)
            if slot < len(shelf.scenes):
                shelf.scenes[slot] = scene
            else:
                shelf.scenes.append(scene)
            shelf.next_slot += 1

    def draw(self, bucket: Bucket, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, list[Scene]]:
        """Latents float32 (count, 16, f, h, w), foreground bool (count, f, h, w) and scenes of random clips."""
        shelf = self._shelves[bucket.shelf]
        size = len(shelf.scenes)
        chosen = rng.choice(size, size=count, replace=count > size)
        index = torch.from_numpy(chosen)
        return shelf.latents[index].float(), shelf.foreground[index], [shelf.scenes[i] for i in chosen]

    @torch.no_grad()
    def _encode(self, frames: np.ndarray) -> Tensor:
        device = next(self._autoencoder.parameters()).device
        images = to_tensor(frames, device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            latents = self._autoencoder.encode(images)
        return ((latents.float().cpu() - self._mean) / self._std).transpose(0, 1).half()

    def _new_shelf(self, bucket: Bucket) -> Shelf:
        shape = (bucket.frames, bucket.height // SCALE, bucket.width // SCALE)
        shelf = Shelf(
            torch.zeros(self._capacity, Z_DIM, *shape, dtype=torch.float16),
            torch.zeros(self._capacity, *shape, dtype=torch.bool),
        )
        self._shelves[bucket] = shelf
        return shelf


def cells_with_foreground(masks: np.ndarray) -> Tensor:
    """Which latent cells hold any foreground: uint8 (f, h, w) -> bool (f, h / 16, w / 16)."""
    frames, height, width = masks.shape
    cells = masks.reshape(frames, height // SCALE, SCALE, width // SCALE, SCALE)
    return torch.from_numpy(cells.max(axis=(2, 4)) > 127)


@torch.no_grad()
def measure_latents(autoencoder: FrameAutoencoder, count: int = 160, seed: int = 77) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each latent channel over rendered frames, float32 (16,)."""
    rng = np.random.default_rng(seed)
    device = next(autoencoder.parameters()).device
    parts = []
    for _ in range(count):
        frames, _ = render(sample_scene(rng), 1, 128, 128, int(rng.integers(17)))
        parts.append(autoencoder.encode(to_tensor(frames, device)).float().cpu())
    latents = torch.cat(parts).transpose(0, 1).flatten(1)
    return latents.mean(dim=1), latents.std(dim=1)
