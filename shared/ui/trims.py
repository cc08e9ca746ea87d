"""Clips cut to a part of themselves in place: the part is kept aside, since a control shows whole files alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.core.settings import MEDIA_KEYS
from shared.core.virtual_path import build_virtual_media_path, parse_virtual_media_path, strip_virtual_media_suffix

TRIMS = "page_trims"


def trimmed(settings: Mapping[str, Any], trims: Any) -> dict[str, Any]:
    """The settings with the suffix of its part behind each clip that has one."""
    found = dict(settings)
    for name, trim in (trims if isinstance(trims, Mapping) else {}).items():
        path = found.get(name)
        if isinstance(path, str) and isinstance(trim, Mapping) and Path(path).name == trim.get("name"):
            found[name] = build_virtual_media_path(path, start_frame=trim.get("start"), end_frame=trim.get("end"))
    return found


def with_trim(extra: str, name: str, file_name: str, part: tuple[int, int] | None) -> str:
    """What is kept aside, with the part of one clip set (first and last frame from 0) or taken away."""
    kept = _read(extra)
    trims = {other: trim for other, trim in (kept.pop(TRIMS, None) or {}).items() if other != name}
    if part is not None:
        trims[name] = {"name": file_name, "start": part[0], "end": part[1]}
    return json.dumps({**kept, TRIMS: trims}) if trims else json.dumps(kept) if kept else ""


def without_suffixes(settings: Mapping[str, Any], extra: str) -> tuple[dict[str, Any], str]:
    """The settings with whole files, and what is kept aside with the parts that their suffixes named."""
    plain = dict(settings)
    for name in MEDIA_KEYS:
        value = settings.get(name)
        spec = parse_virtual_media_path(value) if isinstance(value, str) else None
        if spec is None or spec.extra("vsource"):
            continue
        plain[name] = strip_virtual_media_suffix(value)
        if spec.end_frame is not None or spec.start_frame:
            end = spec.end_frame if spec.end_frame is not None else -1
            extra = with_trim(extra, name, Path(spec.source_path).name, (spec.start_frame, end))
    return plain, extra


def _read(extra: str) -> dict[str, Any]:
    try:
        found = json.loads(extra or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
