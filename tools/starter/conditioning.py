"""Noise levels of single tokens: which part of a clip is given clean, and how noisy the rest is.

One token is one latent frame x 2 x 2 latent cells (32 x 32 pixels). Clean tokens have noise level and timestep 0.
"""

import numpy as np

MODES = {
    "first frame": 0.56,
    "first and last frame": 0.08,
    "prefix": 0.16,
    "region": 0.09,
    "region and prefix": 0.05,
    "levels by frame": 0.06,
}
FLOW_SHIFT = 3.0


def shifted(u: np.ndarray, shift: float = FLOW_SHIFT) -> np.ndarray:
    """Noise level in 0..1 of an even share `u` of the schedule, as the scheduler's `flow_shift` bends it."""
    return shift * u / (1 + (shift - 1) * u)


def sample_levels(rng: np.random.Generator, batch: int, grid: tuple[int, int, int], even: bool) -> np.ndarray:
    """Noise levels float32 (batch, frames, rows, columns), 0 where a token is given clean.

    `even`: one level for all tokens of a clip, as in text to video; otherwise each clip draws a mode of `MODES`.
    """
    level = shifted(_stratified(rng, batch)).astype(np.float32)
    levels = np.broadcast_to(level[:, None, None, None], (batch, *grid)).copy()
    if even or grid[0] * grid[1] * grid[2] == 1:
        return levels
    names = list(MODES)
    for clip in levels:
        mode = names[rng.choice(len(names), p=list(MODES.values()))]
        _apply_mode(mode, clip, rng)
    return levels


def _stratified(rng: np.random.Generator, count: int) -> np.ndarray:
    """Even shares of 0..1, one in each of `count` equal parts, shuffled."""
    shares = (np.arange(count) + rng.uniform(0.0, 1.0, count)) / count
    return np.clip(rng.permutation(shares), 1e-3, 1.0)


def _apply_mode(mode: str, levels: np.ndarray, rng: np.random.Generator) -> None:
    """Set levels (frames, rows, columns) of one clip in place. A single frame only knows regions."""
    frames, rows, columns = levels.shape
    if frames == 1 and mode != "region and prefix":
        mode = "region"
    if mode in ("first frame", "first and last frame"):
        levels[0] = 0
        if mode == "first and last frame" and frames > 2:
            levels[-1] = 0
    if mode in ("prefix", "region and prefix") and frames > 1:
        levels[: rng.integers(1, max(2, frames * 2 // 3))] = 0
    if mode in ("region", "region and prefix") and rows * columns > 1:
        levels[:, _region(rng, rows, columns)] = 0
    if mode == "levels by frame":
        levels[:] = shifted(rng.uniform(1e-3, 1.0, frames)).astype(np.float32)[:, None, None]


def _region(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A random box or its complement, bool (rows, columns); never everything."""
    while True:
        top, left = rng.integers(rows), rng.integers(columns)
        inside = np.zeros((rows, columns), bool)
        inside[top : rng.integers(top, rows) + 1, left : rng.integers(left, columns) + 1] = True
        region = inside if rng.random() < 0.5 else ~inside
        if not region.all():
            return region
