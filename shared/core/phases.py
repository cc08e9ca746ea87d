"""What a status line says: its phase, the percentage reached, and how far the whole job is."""

from __future__ import annotations

import re
from typing import NamedTuple

DOWNLOADING_MODEL = "downloading_model"
CANCELLED = "cancelled"
INFERENCE = "inference"

_BRACKETS = re.compile(r"^\s*\[\s*\d+\s*/\s*\d+\s*\]")
_COUNTER = re.compile(
    r"^\s*(prompt|sample|sliding window|window|chunk|task|step|phase|pass)\s+(\d+)\s*/\s*(\d+)\s*,?", re.IGNORECASE
)
_LEADING = re.compile(r"^[\s\-:,]+")
_TIME_ONLY = re.compile(r"^(?=.*\d)[\d.:\s/smh]+$", re.IGNORECASE)

_PHASE_TESTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (phase, re.compile(pattern))
    for phase, pattern in (
        (DOWNLOADING_MODEL, r"^downloading(?!.*output)"),
        ("inference_stage_1", r"denoising (first|1st) pass"),
        ("inference_stage_2", r"denoising (second|2nd) pass"),
        ("inference_stage_3", r"denoising (third|3rd) pass"),
        ("loading_model", r"loading model|^loading"),
        ("encoding_text", r"encoding|enhancing prompt"),
        ("decoding", r"decoding"),
        ("downloading_output", r"saved|completed|output"),
        (CANCELLED, r"cancel|abort"),
    )
)


class _Span(NamedTuple):
    """Percentages of a phase: without steps, and with a ratio r as min(top, base + int(width * r))."""

    alone: int
    top: int
    base: int
    width: int


_SPANS: dict[str, _Span] = {
    DOWNLOADING_MODEL: _Span(2, 5, 0, 5),
    "loading_model": _Span(10, 15, 5, 10),
    "encoding_text": _Span(18, 22, 12, 10),
    "inference_stage_1": _Span(25, 68, 20, 48),
    "inference_stage_2": _Span(70, 88, 68, 20),
    "inference_stage_3": _Span(80, 89, 80, 9),
    INFERENCE: _Span(15, 90, 20, 65),
    "decoding": _Span(90, 95, 85, 10),
    "downloading_output": _Span(95, 98, 92, 6),
    CANCELLED: _Span(0, 0, 0, 0),
}

_OPENING_LABEL = "denoising first frame"
_OPENING = _Span(18, 20, 18, 2)

_COUNTED = (DOWNLOADING_MODEL, "encoding_text", "decoding")


def extract_status_phase_label(text: str) -> str:
    """The bare phase of a status line: `Prompt 1/2, Sample 1/3 - Denoising | 7.2s` gives `Denoising`.

    Counters and times are left out; a line of nothing but counters gives "", one of nothing but times itself.
    """
    raw = str(text or "").strip()
    has_wrapper = False
    for part in raw.split("|"):
        label, stripped = _unwrap(part)
        has_wrapper = has_wrapper or stripped
        if label and not _TIME_ONLY.match(label):
            return label
    return "" if has_wrapper else raw


def _unwrap(part: str) -> tuple[str, bool]:
    label, stripped = part.strip(), False
    while True:
        shorter = _LEADING.sub("", _COUNTER.sub("", _BRACKETS.sub("", label, count=1), count=1))
        if shorter == label:
            return label.strip(), stripped
        stripped = stripped or _LEADING.sub("", label) != shorter
        label = shorter


def normalize_phase(label: str) -> str:
    """The published phase name of a label; `inference` for whatever is not known."""
    text = str(label or "").strip().lower()
    return next((phase for phase, pattern in _PHASE_TESTS if pattern.search(text)), INFERENCE)


def has_steps(phase: str) -> bool:
    """Whether step counts mean something in this phase; elsewhere they are dropped."""
    return phase in _COUNTED or phase.startswith(INFERENCE)


def estimate_progress(phase: str, step: int | None, total: int | None, label: str = "") -> int:
    """Percentage (0..100) of a task that is in `phase`, `step` of `total` steps done (None: not counted).

    `label` is what is shown of the phase: the short denoising of an opening frame does not count as the clip's.
    """
    span = _OPENING if label.strip().lower() == _OPENING_LABEL else _SPANS.get(phase, _SPANS[INFERENCE])
    if step is None or not total or total <= 0:
        return span.alone
    ratio = min(1.0, max(0.0, step / total))
    return min(span.top, span.base + int(span.width * ratio))


def task_fraction(text: str, percent: int) -> float:
    """How much of a task (0..1) is done when its status line is `text` and its present clip is at `percent`.

    The counters of the line, outermost first, nest: `Prompt 2/2, Sample 1/2` at 50 percent is 5/8.
    """
    counters = []
    rest = text.strip()
    while match := _COUNTER.match(rest):
        number, count = int(match.group(2)), int(match.group(3))
        if match.group(1).lower() in ("prompt", "sample", "sliding window", "window") and 0 < number <= count:
            counters.append((number, count))
        rest = _LEADING.sub("", rest[match.end() :])
    fraction = min(1.0, max(0.0, percent / 100))
    for number, count in reversed(counters):
        fraction = (number - 1 + fraction) / count
    return fraction
