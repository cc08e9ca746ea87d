"""A long clip through a session, window by window; what is done is kept, so that a stopped run goes on later."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugins.long_video.windows import Span, joined, plan_spans
from shared.core.errors import Cancelled, MediaError, WanGPError
from shared.core.virtual_path import build_virtual_media_path
from shared.media.atomic import whole_file
from shared.media.audio import read_audio
from shared.media.video import iter_frames, probe, write_video

RECORD = "parts.json"
OnProgress = Callable[[float, str], None]


class LongVideo:
    """One clip to be worked on: `settings` are those of a single window, the clip goes in as setting `media_key`.

    `folder` is where the record of finished parts and the joined clip go. Raises MediaError for a source that is no
    clip, ValueError for a window or overlap that makes no sense.
    """

    def __init__(
        self, source: str, settings: Mapping[str, Any], folder: Path, media_key: str, size: int, overlap: int
    ) -> None:
        self.source, self.settings, self.media_key = source, dict(settings), media_key
        self.info = probe(source)
        self.spans = plan_spans(self.info.num_frames, size, overlap)
        self.folder = folder / f"long_{self._identity()}"
        self._job: Any = None
        self._is_stopped = threading.Event()

    def _identity(self) -> str:
        """A name for this very run: the same clip, windows and settings find their finished parts again."""
        stat = Path(self.source).stat()
        told = [str(Path(self.source).resolve()), stat.st_size, stat.st_mtime_ns, self.media_key, self.settings]
        spans = [(span.first, span.last) for span in self.spans]
        text = json.dumps([told, spans], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def finished_parts(self) -> dict[int, str]:
        """The files of the windows that are done, by the window's number; those gone from the disk are left out."""
        try:
            found = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        parts = found.items() if isinstance(found, dict) else ()
        return {int(number): path for number, path in parts if str(number).isdigit() and Path(str(path)).is_file()}

    def task(self, span: Span) -> dict[str, Any]:
        """The settings of one window."""
        part = build_virtual_media_path(self.source, start_frame=span.first, end_frame=span.last)
        return {**self.settings, self.media_key: part, "video_length": span.num_frames}

    def stop(self) -> None:
        """End the run; the windows done so far are kept."""
        self._is_stopped.set()
        job = self._job
        if job is not None and not job.done:
            job.cancel()

    def run(self, session: Any, on_progress: OnProgress = lambda share, text: None) -> Path:
        """Work on every window that is not done yet, then join them; returns the path of the whole clip.

        `session` is a `WanGPSession` or a plugin's `api_session`. Raises Cancelled after `stop()`, WanGPError with
        the reason when a window fails; what is done stays done.
        """
        done = self.finished_parts()
        for number, span in enumerate(self.spans):
            if number not in done:
                done[number] = self._make_part(session, number, span, on_progress)
                self._keep(done)
        on_progress(1.0, f"Joining {len(self.spans)} parts")
        return self._join([done[number] for number in range(len(self.spans))])

    def _make_part(self, session: Any, number: int, span: Span, on_progress: OnProgress) -> str:
        if self._is_stopped.is_set():
            raise Cancelled()
        told = _Progress(number, len(self.spans), on_progress)
        self._job = session.submit_task(self.task(span), callbacks=told)
        if self._is_stopped.is_set():
            self._job.cancel()
        result = self._job.result()
        self._job = None
        if result.cancelled:
            raise Cancelled()
        files = [path for path in result.generated_files if Path(path).is_file()]
        if not result.success or not files:
            reason = str(result.errors[0]) if result.errors else "it made no file."
            raise WanGPError(f"Part {number + 1} of {len(self.spans)} (frames {span.first} to {span.last}): {reason}")
        return files[-1]

    def _keep(self, parts: Mapping[int, str]) -> None:
        with whole_file(self.folder / RECORD) as temporary:
            temporary.write_text(json.dumps({str(number): path for number, path in parts.items()}), encoding="utf-8")

    def _join(self, paths: list[str]) -> Path:
        target = self.folder.with_suffix(".mp4")
        try:
            sound = read_audio(self.source) if self.info.has_audio else None
        except MediaError:
            sound = None
        frames: Iterator[NDArray[np.uint8]] = joined((iter_frames(path) for path in paths), self.spans)
        return write_video(frames, target, self.info.fps, audio=sound)


class _Progress:
    """The callbacks of one window's job, as the share of the whole clip."""

    def __init__(self, number: int, total: int, on_progress: OnProgress) -> None:
        self._number, self._total, self._on_progress = number, total, on_progress
        self._share = 0.0

    def on_progress(self, update: Any) -> None:
        self._share = max(0.0, min(1.0, float(update.progress) / 100))
        self._tell(str(update.status))

    def on_status(self, status: Any) -> None:
        if status:
            self._tell(str(status))

    def _tell(self, text: str) -> None:
        share = (self._number + self._share) / self._total
        self._on_progress(share, f"Part {self._number + 1} of {self._total}: {text}")
