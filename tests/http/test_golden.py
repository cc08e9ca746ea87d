"""Every golden conversation of every service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.http.replay import GOLDEN, Conversation

FILES = sorted(GOLDEN.glob("*/*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_golden_conversation(path: Path, tmp_path: Path) -> None:
    flags = tuple(json.loads(path.read_text(encoding="utf-8")).get("flags", ()))
    conversation = Conversation(path.parent.name, tmp_path, flags)
    try:
        conversation.play_file(path)
    finally:
        conversation.close()
