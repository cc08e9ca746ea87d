"""Reading a zip that someone else made: nothing escapes, nothing explodes."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from shared.core.errors import MediaError, SettingsError, WanGPError
from shared.core.paths import confined_join, disk_errors, temporary_path

MAX_MEMBERS = 10_000
MAX_UNPACKED_BYTES = 8 << 30
MAX_TEXT_BYTES = 64 << 20
# Media are compressed already; only a bomb shrinks further than this. Small files may: a plain-coloured BMP does.
MAX_RATIO = 200
RATIO_FROM_BYTES = 4 << 20
_CHUNK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)


class SafeZip:
    """An opened zip whose list of members has been checked. Raises SettingsError for one that is refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGE as exc:
            raise SettingsError(f"{path.name} is damaged or no zip file ({exc}).") from exc
        try:
            self._members = self._checked()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> SafeZip:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def text(self, name: str) -> str:
        """A member as UTF-8 text."""
        if name not in self._members:
            raise SettingsError(f"{self.path.name} is no saved queue: it holds no {name}.")
        if self._members[name].file_size > MAX_TEXT_BYTES:
            raise SettingsError(f"{self.path.name} is refused: its {name} is larger than {MAX_TEXT_BYTES >> 20} MB.")
        try:
            return self._zip.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise SettingsError(f"{self.path.name}: {name} is not UTF-8 text.") from exc
        except _DAMAGE as exc:
            raise SettingsError(f"{self.path.name}: {name} is damaged ({exc}).") from exc

    def extract(self, name: str, folder: Path) -> Path:
        """A member as a file in `folder`, named after its content. Raises MediaError for a damaged one."""
        folder.mkdir(parents=True, exist_ok=True)
        ending = Path(name).suffix.lower()
        ending = ending if re.fullmatch(r"\.[a-z0-9]{1,8}", ending) else ""
        temporary = temporary_path(folder / f"member{ending}")
        digest = hashlib.sha256()
        try:
            with disk_errors(folder), open(temporary, "wb") as target:
                for chunk in self._chunks(name):
                    digest.update(chunk)
                    target.write(chunk)
            path = folder / f"{digest.hexdigest()[:24]}{ending}"
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def unpack(self, folder: Path) -> None:
        """Every member under its own name in `folder`. Raises MediaError for a damaged one."""
        for name in self._members:
            path = confined_join(folder, name)
            with disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with open(path, "wb") as target:
                    for chunk in self._chunks(name):
                        target.write(chunk)

    def _chunks(self, name: str) -> Iterator[bytes]:
        try:
            source = self._zip.open(name)
        except _DAMAGE as exc:
            raise MediaError(f"{name} in {self.path.name} is damaged ({exc}).") from exc
        with source:
            while True:
                try:
                    chunk = source.read(_CHUNK)
                except _DAMAGE as exc:
                    raise MediaError(f"{name} in {self.path.name} is damaged ({exc}).") from exc
                if not chunk:
                    return
                yield chunk

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        infos = self._zip.infolist()
        if len(infos) > MAX_MEMBERS:
            self._refuse(f"it holds {len(infos)} files, more than {MAX_MEMBERS}")
        if sum(info.file_size for info in infos) > MAX_UNPACKED_BYTES:
            self._refuse(f"unpacked it is larger than {MAX_UNPACKED_BYTES >> 30} GB")
        members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            self._check(info)
            if info.filename in members:
                self._refuse(f'it holds "{info.filename}" twice')
            if not info.is_dir():
                members[info.filename] = info
        return members

    def _check(self, info: zipfile.ZipInfo) -> None:
        try:
            confined_join(self.path.parent, info.filename)
        except WanGPError:
            self._refuse(f'the name "{info.filename}" in it leads outside its folder')
        if stat.S_ISLNK(info.external_attr >> 16):
            self._refuse(f'"{info.filename}" in it is a link')
        if info.flag_bits & 0x1:
            self._refuse("it is protected by a password")
        if info.file_size > RATIO_FROM_BYTES and info.file_size > MAX_RATIO * max(info.compress_size, 1):
            self._refuse(f'"{info.filename}" in it unpacks to more than {MAX_RATIO} times its size')

    def _refuse(self, reason: str) -> None:
        raise SettingsError(f"{self.path.name} is refused: {reason}.")
