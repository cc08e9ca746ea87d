"""Depth clips by a tiny network of the real architecture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.core.errors import DownloadError
from shared.diffusion.depth import depth_of
from tests.fakes.tiny_depth import save


def test_a_clip_gets_one_grey_clip_of_its_size_and_every_frame_is_told(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    told: list[int] = []
    depth = depth_of(frames, save(tmp_path / "depth"), "cpu", told.append)
    assert depth.shape == frames.shape and depth.dtype == np.uint8 and told == [0, 1]
    assert (depth[..., 0] == depth[..., 2]).all()
    assert depth.min() == 0 and depth.max() == 255, "one scale for the whole clip"


def test_a_damaged_folder_says_what_to_do(tmp_path: Path) -> None:
    folder = save(tmp_path / "depth")
    (folder / "model.safetensors").write_bytes(b"short")
    with pytest.raises(DownloadError, match="Delete that folder"):
        depth_of(np.zeros((1, 32, 32, 3), np.uint8), folder, "cpu", lambda number: None)
