"""Getting plugins, switching and ordering them, and the tab that does it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.core.config import Config
from shared.core.errors import PluginError, SettingsError
from shared.core.plugin_info import read_info, version_key
from shared.session import plugin_requirements as requirements
from shared.session.plugin_install import PluginInstaller, install_refusal
from shared.session.plugin_store import PluginStore
from tests.plugins.conftest import write_plugin

SIMPLE = "class Simple(WAN2GPPlugin):\n    pass\n"


@pytest.fixture
def store(tmp_path: Path) -> PluginStore:
    """A program without plugins, whose packages are pinned."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "requirements.txt").write_text("# pins\nnumpy==2.4.6\nPyYAML==6.0.3\n", encoding="utf-8")
    return PluginStore(root, Config.load(tmp_path / "config"))


@pytest.fixture
def installer(store: PluginStore) -> PluginInstaller:
    return PluginInstaller(store)


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path, name: str) -> Path:
    made = write_plugin(folder, name, SIMPLE, version="1.0.0", author="Ann")
    git("init", "-q", str(made))
    git("-C", str(made), "add", "-A")
    git("-C", str(made), "commit", "-qm", "one")
    return made


def test_a_git_repository_is_planned_installed_updated_and_removed(
    installer: PluginInstaller, store: PluginStore, tmp_path: Path
) -> None:
    source = repository(tmp_path / "away", "wan2gp-tool")
    address = source.as_uri()
    plan = installer.plan(address)
    assert (plan.info.version, plan.info.author, plan.replaces) == ("1.0.0", "Ann", "")
    assert plan.target == installer.folder / "wan2gp-tool" and not plan.target.exists()
    info = installer.install(address)
    assert info.folder == plan.target and [one.id for one in store.wanted()] == ["wan2gp-tool"]
    assert installer.sources()["wan2gp-tool"]["source"] == address
    assert installer.update("wan2gp-tool") is False
    told = json.loads((source / "plugin_info.json").read_text(encoding="utf-8"))
    (source / "plugin_info.json").write_text(json.dumps({**told, "version": "1.1.0"}), encoding="utf-8")
    git("-C", str(source), "commit", "-qam", "two")
    (info.folder / "own_data.json").write_text("{}", encoding="utf-8")
    assert installer.update("wan2gp-tool") is True
    assert store.infos["wan2gp-tool"].version == "1.1.0" and (info.folder / "own_data.json").exists()
    installer.uninstall("wan2gp-tool")
    assert not info.folder.exists() and store.wanted() == [] and installer.sources() == {}
    assert [entry.name for entry in installer.folder.iterdir()] == []


def test_a_zip_is_installed_under_its_folders_name(installer: PluginInstaller, tmp_path: Path) -> None:
    made = write_plugin(tmp_path / "away", "zipped.tool-main", SIMPLE)
    path = tmp_path / "download.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in made.iterdir():
            archive.write(file, f"zipped.tool-main/{file.name}")
    assert installer.install(path).id == "zipped_tool"
    (made / "new.py").touch()
    assert installer.plan(made).replaces == ""


def test_a_zip_that_leads_outside_is_refused(installer: PluginInstaller, tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../plugin.py", "x = 1")
    with pytest.raises(SettingsError, match="leads outside"):
        installer.install(path)
    assert not (installer.folder.parent / "plugin.py").exists()


@pytest.mark.parametrize(("source", "says"), [
    ("nothing/here", "neither a folder nor a zip"), ("file:///no/such/repository", "git refused"),
    ("ext::sh -c id", "neither a folder nor a zip"),
])  # fmt: skip
def test_what_is_no_plugin_is_refused(installer: PluginInstaller, tmp_path: Path, source: str, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        installer.plan(source)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PluginError, match="holds no plugin"):
        installer.plan(tmp_path / "empty")


def test_a_plugin_of_a_later_program_is_refused(installer: PluginInstaller, tmp_path: Path) -> None:
    made = write_plugin(tmp_path / "away", "later", SIMPLE, wan2gp_version="99.1")
    with pytest.raises(PluginError, match=r"needs WanGP 99\.1"):
        installer.install(made)
    assert not read_info(write_plugin(tmp_path / "away", "fits", SIMPLE, wangp_version="9.81")).problem


def test_requirements_that_move_a_pin_are_refused(
    installer: PluginInstaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write_plugin(tmp_path / "away", "needy", SIMPLE)
    (made / "requirements.txt").write_text("numpy<2\nsmall-thing\n", encoding="utf-8")
    asked: list[list[str]] = []

    def pip(arguments: list[str]) -> Any:
        asked.append(arguments)
        packages = [("small_thing", "1.0"), ("numpy", versions[0]), ("PyYAML", "6.0.3")]
        report = {"install": [{"metadata": {"name": name, "version": version}} for name, version in packages]}
        return Namespace(stdout="a warning\n" + json.dumps(report))

    versions = ["1.26.4"]
    monkeypatch.setattr(requirements, "_pip", pip)
    with pytest.raises(PluginError, match=r"numpy 2\.4\.6 would become 1\.26\.4"):
        installer.install(made)
    assert not (installer.folder / "needy").exists() and "--dry-run" in asked[0] and len(asked) == 1
    versions[0] = "2.4.6"
    assert ("small-thing", "1.0") in installer.plan(made).packages
    installer.install(made)
    assert "--dry-run" not in asked[-1] and (installer.folder / "needy").exists()


def test_pip_itself_is_asked_without_changing_anything(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("pip\n", encoding="utf-8")
    wanted = requirements.dry_run(["--no-index", *requirements.asked_by(tmp_path)])
    assert wanted.packages == ()
    (tmp_path / "requirements.txt").write_text("no-such-package-of-wangp\n", encoding="utf-8")
    with pytest.raises(PluginError, match="pip refused the requirements"):
        requirements.dry_run(["--no-index", *requirements.asked_by(tmp_path)])


def test_the_catalogue_tells_what_is_newer(installer: PluginInstaller, store: PluginStore, tmp_path: Path) -> None:
    write_plugin(installer.folder, "tool", SIMPLE, version="1.9", date="2026-01-02")
    store.refresh()
    entries = [
        {"name": "Tool", "url": "https://example.org/a/tool", "version": "1.10", "date": "2026-01-02"},
        {"name": "Other", "url": "https://example.org/a/other.git", "version": "1"},
        {"name": "no address"},
    ]
    (store.root / "plugins.json").write_text(json.dumps(entries), encoding="utf-8")
    assert [entry["state"] for entry in installer.catalogue()] == ["newer", "new"]
    local = [{"url": "https://example.org/a/tool", "date": "2025-12-01"}, {"url": "https://example.org/b/mine"}]
    (store.config.folder / "plugins_local.json").write_text(json.dumps(local), encoding="utf-8")
    assert [entry["state"] for entry in installer.catalogue()] == ["installed", "new", "new"]
    assert version_key("10.2") > version_key("9.10")


@pytest.mark.parametrize(("flags", "allow", "may"), [
    ({}, False, True),
    ({"server_name": "0.0.0.0"}, True, False),
    ({"listen": True}, True, False),
    ({"listen": True, "auth": "a:b"}, False, False),
    ({"listen": True, "auth": "a:b"}, True, True),
    ({"lock_config": True}, True, False),
])  # fmt: skip
def test_who_may_install(flags: dict[str, Any], allow: bool, may: bool) -> None:
    usual = {"server_name": "localhost", "listen": False, "share": False, "auth": "", "lock_config": False}
    refusal = install_refusal(Namespace(**{**usual, **flags}), {"allow_plugin_install": allow})
    assert (refusal == "") is may


def test_a_start_that_did_not_finish_leaves_plugins_out(tmp_path: Path) -> None:
    config = Config.load(tmp_path / "config")
    write_plugin(tmp_path / "plugins", "mine", SIMPLE)
    write_plugin(tmp_path / "plugins", "ours", SIMPLE, bundled=True, enabled=True)
    write_plugin(tmp_path / "plugins", "bad", SIMPLE, bundled=True, system=True)
    first = PluginStore(tmp_path, config, watches_start=True)
    first.begin()
    first.set_enabled("mine", True)
    assert [info.id for info in first.enabled()] == ["bad", "ours", "mine"] and not first.is_safe_mode
    with pytest.raises(KeyboardInterrupt), first.timed("mine", "import"):
        raise KeyboardInterrupt
    first.close()  # Ctrl-C while it hung
    second = PluginStore(tmp_path, config, watches_start=True)
    config.override(second.overrides)
    second.begin()
    assert second.blamed == "mine" and [info.id for info in second.enabled()] == ["bad", "ours"]
    assert [info.id for info in second.wanted()] == ["bad", "ours", "mine"]
    with second.timed("bad", "import"):
        pass
    third = PluginStore(tmp_path, Config.load(tmp_path / "config"), watches_start=True)  # killed: no close
    third.config.override(third.overrides)
    assert [info.id for info in third.enabled()] == ["ours"]
    third.start_finished()
    second.close()
    assert PluginStore(tmp_path, Config.load(tmp_path / "config"), watches_start=True).blamed is None


def test_the_manager_draws_every_plugin(
    plugin: Callable[..., Path], build: Callable[..., Any], runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(__file__).resolve().parents[2] / "plugins"
    runtime.plugins.folders.insert(0, own)
    runtime.plugins.refresh()
    plugin("broken", "1 / 0\n")
    page = build()
    (manager,) = [one.plugin for one in page.plugins.loaded if one.info.id == "plugin_manager"]
    facts = manager._facts(runtime.plugins.infos["broken"], True)
    assert "failed" in facts and "What broken does" in facts
    manager._switch("broken", False)
    assert runtime.config.get("enabled_plugins") == [info.id for info in runtime.plugins.wanted()]
    assert "broken" not in runtime.config.get("enabled_plugins") and runtime.plugins.needs_restart
    with pytest.raises(Exception, match="stays on"):
        manager._switch("plugin_manager", False)
    assert sys.modules["plugins.plugin_manager.plugin"].__file__.startswith(str(own))
