"""docs/settings.md is what the declarations say."""

from __future__ import annotations

from shared.core.settings import DECLARATIONS
from tools.settings_reference import PAGE, reference


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python tools/settings_reference.py"


def test_every_setting_has_its_entry() -> None:
    text = reference()
    for name, param in DECLARATIONS.items():
        assert f"\n### {name}\n" in text
        assert param.help in text
