"""Settings as the text that media files carry, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.core.errors import MediaError

MAX_TEXT = 32 * 2**20
RESERVED = "_wangp_metadata_reserved"


class DoesNotFit(MediaError):
    """The settings are larger than the format has room for."""


def settings_text(settings: Mapping[str, Any]) -> str:
    """Compact JSON; what JSON does not know is written as text, broken surrogates as `?`."""
    text = json.dumps(dict(settings), ensure_ascii=False, separators=(",", ":"), default=str)
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def parse_settings(text: str | bytes | None) -> dict[str, Any] | None:
    """The settings in a text found in a file; None when it holds none (any other text, a list, a reserved space)."""
    if not text or len(text) > MAX_TEXT:
        return None
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = text.strip(" \t\r\n\0\ufeff")
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found and RESERVED not in found else None
