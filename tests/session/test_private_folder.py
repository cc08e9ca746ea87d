"""Queue folders that plain programs keep for themselves."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from shared.engine.folder_lock import FolderLock
from shared.session.private_folder import PREFIX, make_private_folder, remove_abandoned


def test_the_folder_of_a_killed_program_is_removed_by_the_next(root: Path, tmp_path: Path) -> None:
    code = (
        "import os, pathlib; from shared.engine.queue import TaskQueue\n"
        f"queue = TaskQueue(pathlib.Path({str(tmp_path)!r}) / {PREFIX + 'killed'!r})\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60, check=False)
    killed = tmp_path / f"{PREFIX}killed"
    assert (killed / "queue.sqlite3").is_file()
    assert remove_abandoned(tmp_path) == [] and killed.exists()
    assert remove_abandoned(tmp_path, time.time() + 100) == [killed] and not killed.exists()


def test_folders_in_use_and_those_of_others_stay(tmp_path: Path) -> None:
    used = tmp_path / f"{PREFIX}used"
    used.mkdir()
    lock = FolderLock(used)
    (tmp_path / f"{PREFIX}unlocked-yet").mkdir()
    (tmp_path / "something-else").mkdir()
    assert remove_abandoned(tmp_path, time.time() + 1e6) == []
    lock.release()


def test_each_program_gets_a_folder_of_its_own() -> None:
    folders = [make_private_folder(), make_private_folder()]
    assert folders[0] != folders[1]
    for folder in folders:
        folder.rmdir()
