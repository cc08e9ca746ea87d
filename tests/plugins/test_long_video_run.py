"""The long-video plugin's run over a session that makes real clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.long_video.run import LongVideo
from shared.core.errors import Cancelled, WanGPError
from shared.core.results import GenerationError, GenerationResult, ProgressUpdate
from shared.media.audio import AudioClip
from shared.media.video import iter_frames, probe, read_frames, write_video

BRIGHTER = 60


class Job:
    """A job that is done when it is asked for."""

    def __init__(self, result: GenerationResult) -> None:
        self._result, self.done = result, True

    def result(self) -> GenerationResult:
        return self._result

    def cancel(self) -> None:
        error = GenerationError("Generation was cancelled", 1, "1", "cancelled")
        self._result = GenerationResult(False, [], [error], 1, 0, 1)


class BrighteningSession:
    """Makes each window brighter, as a file of its own; `fails_at` is the number of a task that fails."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tasks = folder, []
        self.fails_at: int | None = None
        self.on_task = lambda: None

    def submit_task(self, settings: dict[str, Any], callbacks: Any) -> Job:
        self.tasks.append(settings)
        self.on_task()
        callbacks.on_progress(ProgressUpdate("inference", "Denoising", 50, 1, 2))
        if len(self.tasks) == self.fails_at:
            error = GenerationError("the card caught fire", 1, "1", "generation")
            return Job(GenerationResult(False, [], [error], 1, 0, 1))
        path = self.folder / f"part{len(self.tasks)}.mp4"
        frames = [np.minimum(frame.astype(int) + BRIGHTER, 255).astype(np.uint8)
                  for frame in iter_frames(settings["video_guide"])]  # fmt: skip
        write_video(frames, path, 8)
        return Job(GenerationResult(True, [str(path)], [], 1, 1, 0))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """40 frames, each a little brighter, with sound."""
    frames = [np.full((32, 48, 3), 20 + 3 * number, np.uint8) for number in range(40)]
    sound = AudioClip(np.sin(np.arange(5 * 8000) / 20).astype(np.float32)[:, None] / 2, 8000)
    return write_video(frames, tmp_path / "source.mp4", 8, audio=sound)


@pytest.fixture
def session(tmp_path: Path) -> BrighteningSession:
    folder = tmp_path / "made"
    folder.mkdir()
    return BrighteningSession(folder)


def long_video(source: Path, tmp_path: Path, **settings: Any) -> LongVideo:
    return LongVideo(str(source), {"prompt": "brighter", **settings}, tmp_path / "out", "video_guide", 17, 4)


def test_a_clip_longer_than_a_window_comes_back_whole(source, session, tmp_path) -> None:
    told: list[tuple[float, str]] = []

    path = long_video(source, tmp_path).run(session, lambda share, text: told.append((share, text)))

    info = probe(path)
    assert (info.num_frames, info.fps, info.width, info.height, info.has_audio) == (40, 8, 48, 32, True)
    levels = read_frames(path)[0].mean(axis=(1, 2, 3))
    assert np.abs(levels - (20 + 3 * np.arange(40) + BRIGHTER)).max() < 6
    assert [task["video_length"] for task in session.tasks] == [17, 17, 17]
    assert session.tasks[1]["video_guide"].endswith("source.mp4|start_frame=13,end_frame=29")
    assert [share for share, _ in told] == sorted(share for share, _ in told) and told[-1][0] == 1.0


def test_a_failed_part_is_told_and_a_new_run_goes_on_where_it_broke_off(source, session, tmp_path) -> None:
    session.fails_at = 2
    with pytest.raises(WanGPError, match=r"Part 2 of 3 \(frames 13 to 29\): the card caught fire"):
        long_video(source, tmp_path).run(session)

    path = long_video(source, tmp_path).run(session)

    assert probe(path).num_frames == 40
    firsts = [task["video_guide"].rpartition("|")[2] for task in session.tasks]
    assert firsts == ["start_frame=0,end_frame=16", *["start_frame=13,end_frame=29"] * 2, "start_frame=23,end_frame=39"]


def test_other_settings_begin_anew(source, session, tmp_path) -> None:
    long_video(source, tmp_path).run(session)
    long_video(source, tmp_path, seed=7).run(session)

    assert len(session.tasks) == 6


def test_stopping_ends_the_run_and_keeps_what_is_done(source, session, tmp_path) -> None:
    work = long_video(source, tmp_path)
    session.on_task = lambda: work.stop() if len(session.tasks) == 2 else None

    with pytest.raises(Cancelled):
        work.run(session)

    assert list(work.finished_parts()) == [0] and len(session.tasks) == 2


def test_a_part_gone_from_the_disk_is_made_again(source, session, tmp_path) -> None:
    work = long_video(source, tmp_path)
    work.run(session)
    (session.folder / "part2.mp4").unlink()

    work.run(session)

    assert len(session.tasks) == 4 and probe(work.folder.with_suffix(".mp4")).num_frames == 40
