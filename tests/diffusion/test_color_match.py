"""Colours of one window matched with those of the window before."""

from __future__ import annotations

import numpy as np

from shared.diffusion.color import match_colors


def clip(seed: int, low: int = 40, high: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (5, 16, 16, 3), dtype=np.uint8)


def shifted(frames: np.ndarray) -> np.ndarray:
    return np.clip(frames * np.array([0.8, 1.0, 1.1]) + np.array([20, 0, -15]), 0, 255).astype(np.uint8)


def test_full_strength_brings_shifted_colours_back() -> None:
    original, new = clip(0), clip(1)
    fixed = match_colors(shifted(new), original, 1.0, overlap=shifted(original))
    assert np.abs(fixed.astype(int) - new).max() <= 4
    assert fixed.dtype == np.uint8


def test_half_strength_goes_half_the_way() -> None:
    original = clip(0)
    drifted = shifted(original)
    half = match_colors(drifted, original, 0.5, overlap=drifted)
    expected = (drifted.astype(float).mean(axis=(0, 1, 2)) + original.mean(axis=(0, 1, 2))) / 2
    assert np.abs(half.mean(axis=(0, 1, 2)) - expected).max() < 1.0


def test_no_strength_and_equal_colours_change_nothing() -> None:
    frames = clip(0)
    assert np.array_equal(match_colors(shifted(frames), frames, 0.0), shifted(frames))
    assert np.array_equal(match_colors(frames, frames, 1.0, overlap=frames), frames)


def test_a_flat_colour_does_not_blow_up() -> None:
    black = np.zeros((3, 8, 8, 3), np.uint8)
    assert np.array_equal(match_colors(black, black, 1.0), black)
