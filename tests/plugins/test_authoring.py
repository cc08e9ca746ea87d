"""A new plugin works as it is written, and the check tells what a plugin uses and lacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.core.errors import PluginError
from shared.ui.plugins.authoring import check_plugin, new_plugin
from tests.plugins.conftest import write_plugin

ROOT = Path(__file__).resolve().parents[2]


def test_a_new_plugin_is_sound_and_brings_its_test(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "wgp.py", "--new-plugin", "My first tool", "--config", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    folder = Path(made.stdout.strip())
    assert folder == tmp_path / "plugins" / "my_first_tool"
    test = (folder / "test_my_first_tool.py").read_text(encoding="utf-8")
    assert 'report.tabs == ["My First Tool"]' in test and "@" not in test
    report = check_plugin(ROOT, folder)
    assert report.is_sound, report.lines()
    assert report.tabs == ["My First Tool"]
    assert report.uses["globals"] == ["get_current_model_settings"]
    with pytest.raises(PluginError, match="there already"):
        new_plugin(tmp_path, "my first TOOL")
    with pytest.raises(PluginError, match="Begin with a letter"):
        new_plugin(tmp_path, "9 lives")


@pytest.mark.parametrize("name", ["sample", "plugin_manager", "test_card", "smooth_motion"])
def test_the_bundled_plugins_are_sound(name: str) -> None:
    report = check_plugin(ROOT, ROOT / "plugins" / name)
    assert report.is_sound, report.lines()


def test_the_check_tells_what_is_missing_and_what_failed(tmp_path: Path) -> None:
    folder = write_plugin(tmp_path, "lacks", """
        class Lacks(WAN2GPPlugin):
            def setup_ui(self):
                self.request_component("prompt")
                self.request_component("no_such_part")
                self.request_global("no_such_function")
                self.register_data_hook("no_such_hook", print)
                self.add_tab("lacks", "Lacks", self.tab)

            def tab(self):
                raise ValueError("half way")
    """, model_handlers=["nowhere:handler"])  # fmt: skip
    report = check_plugin(ROOT, folder)
    assert report.missing == {
        "components": ["no_such_part"], "globals": ["no_such_function"], "hooks": ["no_such_hook"],
    }  # fmt: skip
    text = "\n".join(report.lines())
    assert "ValueError: half way" in text and "Traceback" in text and "plugins.lacks.nowhere" in text
    assert text.endswith("not sound")
    with pytest.raises(PluginError, match="holds no plugin"):
        check_plugin(ROOT, tmp_path)
