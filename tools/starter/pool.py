"""A pool of rendered and encoded clips that the transformer trains on, renewed a few clips at a time."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from .autoencoder import to_tensor
from .frame_autoencoder import SCALE, Z_DIM, FrameAutoencoder
from .scenes import Scene, render, sample_scene

_ENCODED_AT_ONCE = 34


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
    """The clips of one bucket: latents float16 (n, 16, f, h, w) and scenes."""

    latents: Tensor
    scenes: list[Scene] = field(default_factory=list)
    next_slot: int = 0


class ClipPool:
    """Latents normalised by channel, kept by bucket; the oldest clip of a full shelf makes room for the next."""

    def __init__(
        self,
        autoencoder: FrameAutoencoder,
        mean: Tensor,
        std: Tensor,
        capacity: int,
        centred: float = 0.0,
        centred_pictures: float = 0.0,
    ):
        self._autoencoder = autoencoder
        self._mean, self._std = mean.view(1, -1, 1, 1), std.view(1, -1, 1, 1)
        self._capacity, self._centred, self._centred_pictures = capacity, centred, centred_pictures
        self._shelves: dict[Bucket, Shelf] = {}

    def size(self, bucket: Bucket) -> int:
        return len(self._shelves[bucket.shelf].scenes) if bucket.shelf in self._shelves else 0

    def add(self, bucket: Bucket, count: int, rng: np.random.Generator) -> None:
        """Render and encode `count` new clips."""
        bucket = bucket.shelf
        shelf = self._shelves.get(bucket) or self._new_shelf(bucket)
        # A picture shows how a clip begins, because a clip is continued from it: the whole motion has room.
        anywhere = 0.0 if bucket.frames == 1 else 0.6
        centred = self._centred_pictures if bucket.frames == 1 else self._centred
        scenes = [sample_scene(rng, anywhere=anywhere, centred=centred) for _ in range(count)]
        clips = [render(scene, bucket.frames, bucket.height, bucket.width)[0] for scene in scenes]
        for scene, latents in zip(scenes, self._encode(np.stack(clips)), strict=True):
            slot = shelf.next_slot % self._capacity
            shelf.latents[slot] = latents
            if slot < len(shelf.scenes):
                shelf.scenes[slot] = scene
            else:
                shelf.scenes.append(scene)
            shelf.next_slot += 1

    def draw(self, bucket: Bucket, count: int, rng: np.random.Generator) -> tuple[Tensor, list[Scene]]:
        """Latents float32 (count, 16, f, h, w) and scenes of random clips."""
        shelf = self._shelves[bucket.shelf]
        size = len(shelf.scenes)
        chosen = rng.choice(size, size=count, replace=count > size)
        index = torch.from_numpy(chosen)
        return shelf.latents[index].float(), [shelf.scenes[i] for i in chosen]

    @torch.no_grad()
    def _encode(self, clips: np.ndarray) -> Tensor:
        """Latents float16 (n, 16, f, h, w) of clips uint8 (n, f, h, w, 3)."""
        device = next(self._autoencoder.parameters()).device
        parts = []
        for frames in torch.from_numpy(clips).flatten(0, 1).split(_ENCODED_AT_ONCE):
            images = to_tensor(frames.numpy(), device).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                latents = self._autoencoder.encode(images)
            parts.append((latents.float().cpu() - self._mean) / self._std)
        return torch.cat(parts).unflatten(0, clips.shape[:2]).transpose(1, 2).half()

    def _new_shelf(self, bucket: Bucket) -> Shelf:
        shape = (bucket.frames, bucket.height // SCALE, bucket.width // SCALE)
        shelf = Shelf(torch.zeros(self._capacity, Z_DIM, *shape, dtype=torch.float16))
        self._shelves[bucket] = shelf
        return shelf


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
