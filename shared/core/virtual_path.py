"""Paths with a suffix that picks a part of the file: `clip.mp4|start_frame=12,end_frame=48,audio_track_no=2`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

SEPARATOR = "|"
TRUE_WORDS = frozenset({"1", "true", "yes"})


@dataclass(frozen=True)
class VirtualMediaSpec:
    """A part of a media file.

    `start_frame` and the inclusive `end_frame` count from 0, from the end when negative; `end_frame` None is the
    last frame; `audio_track_no` counts from 1. `extras` are all other (key, value) items in their order, among them
    `frame_count` (overrides the file's own), `vsource` (name of a source held in memory) and `hdr`.
    """

    source_path: str
    start_frame: int = 0
    end_frame: int | None = None
    audio_track_no: int | None = None
    extras: tuple[tuple[str, str], ...] = ()

    def as_suffix_items(self) -> list[tuple[str, str]]:
        """The items of the suffix, those that say nothing left out."""
        known = [
            ("start_frame", self.start_frame or None),
            ("end_frame", self.end_frame),
            ("audio_track_no", self.audio_track_no),
        ]
        return [(key, str(value)) for key, value in known if value is not None] + list(self.extras)

    def extra(self, key: str) -> str:
        """The value of an extra, "" when absent; the last one wins."""
        return dict(self.extras).get(key, "")

    @property
    def frame_count(self) -> int | None:
        """The number of frames that the suffix claims for the source."""
        count = _integer(self.extra("frame_count"))
        return count if count is not None and count > 0 else None

    @property
    def is_hdr(self) -> bool:
        """Whether the suffix marks the source as high dynamic range."""
        return self.extra("hdr").lower() in TRUE_WORDS


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def parse_virtual_media_path(value: Any) -> VirtualMediaSpec | None:
    """The parts of a path with a suffix; None for a bare path, an empty path or anything that is not a path."""
    if not isinstance(value, (str, PathLike)):
        return None
    path, separator, suffix = str(fspath(value)).partition(SEPARATOR)
    path = path.strip()
    if not separator or not path:
        return None
    known: dict[str, str] = {}
    extras: list[tuple[str, str]] = []
    for item in suffix.split(","):
        key, equals, text = (part.strip() for part in item.partition("="))
        key = key.lower()
        if not key:
            continue
        if equals and key in ("start_frame", "end_frame", "audio_track_no"):
            known[key] = text
        else:
            extras.append((key, text))
    start = _integer(known.get("start_frame", ""))
    return VirtualMediaSpec(
        source_path=path,
        start_frame=start if start is not None else 0,
        end_frame=_integer(known.get("end_frame", "")),
        audio_track_no=_integer(known.get("audio_track_no", "")),
        extras=tuple(extras),
    )


def strip_virtual_media_suffix(value: Any) -> Any:
    """The bare path; what is not a path with a suffix comes back as it is."""
    spec = parse_virtual_media_path(value)
    return value if spec is None else spec.source_path


def build_virtual_media_path(
    path: str | PathLike[str],
    *,
    start_frame: int | None = None,
    end_frame: int | None = None,
    audio_track_no: int | None = None,
    extras: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
) -> str:
    """`path` with a suffix for what is given; the bare path when nothing is. Empty extras are dropped."""
    given: list[tuple[str, Any]] = [
        ("start_frame", start_frame),
        ("end_frame", end_frame),
        ("audio_track_no", audio_track_no),
    ]
    pairs = extras.items() if isinstance(extras, Mapping) else extras or ()
    items = [(key, str(int(value))) for key, value in given if value is not None]
    items += [(str(key).strip(), _text(value)) for key, value in pairs if str(key).strip() and _text(value)]
    return _join(str(fspath(path)).strip(), items)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _join(path: str, items: Iterable[tuple[str, str]]) -> str:
    suffix = ",".join(f"{key}={value}" if value else key for key, value in items)
    return f"{path}{SEPARATOR}{suffix}" if suffix else path


def replace_virtual_media_source(value: Any, path: str | PathLike[str]) -> str:
    """`path` with the suffix of `value`; a start frame of 0 is not repeated."""
    spec = parse_virtual_media_path(value)
    return _join(str(fspath(path)).strip(), [] if spec is None else spec.as_suffix_items())


def clamp_virtual_frame_range(spec: VirtualMediaSpec | None, total: int) -> tuple[int, int]:
    """First and last frame (inclusive) within a source of `total` frames; negative numbers count from the end.

    `frame_count` of the suffix overrides `total`. The last frame is never before the first; (0, -1) for no frames.
    """
    if spec is not None and spec.frame_count is not None:
        total = spec.frame_count
    if total <= 0:
        return 0, -1
    if spec is None:
        return 0, total - 1
    start = _clamp(spec.start_frame, total)
    end = total - 1 if spec.end_frame is None else _clamp(spec.end_frame, total)
    return start, max(start, end)


def _clamp(frame: int, total: int) -> int:
    return min(max(frame + total if frame < 0 else frame, 0), total - 1)
