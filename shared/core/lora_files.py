"""LoRA files on disk: the folder of each family, what settings call a file, and which file that is."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from shared.core.errors import SettingsError
from shared.core.lora_multipliers import lora_key
from shared.core.paths import safe_name, write_atomic

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

LORA_ENDINGS = (".safetensors", ".sft")
URL_REGISTRY = "loras_url_cache_v2.json"

# The flags --lora-dir-<flag> that do not spell their folder.
_FLAG_FOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "": "wan",
        "i2v": "wan_i2v",
        "wan_1_3b": "wan_1.3B",
        "wan_5b": "wan_5B",
    }
)


def flag_folder(flag: str) -> str:
    """The folder under the LoRA root that `--lora-dir-<flag>` replaces; "" is `--lora-dir`."""
    return _FLAG_FOLDERS.get(flag, flag)


@dataclass(frozen=True)
class LoraFolder:
    """The LoRA files of one model.

    `path` is the folder, `name` what WanGP calls it; `known_urls` says where files came from, by relative path.
    """

    path: Path
    name: str = ""
    known_urls: Mapping[str, str] = field(default_factory=dict)

    def files(self) -> list[str]:
        """The files by their paths relative to the folder, with /, in order."""
        return sorted(_relative_files(self.path), key=str.lower)

    def find(self, entry: str) -> Path | None:
        """The file that an entry of `activated_loras` stands for; None where it is not on disk."""
        if is_url(entry):
            path = self.path / url_target(entry)
            return path if path.is_file() else None
        name = lora_key(entry)
        path = Path(name)
        if path.is_absolute():
            return path if path.is_file() else None
        if ".." in path.parts:
            return None
        found = self.path / path
        return found if found.is_file() else None

    def named(self, name: str) -> str:
        """The file that a bare name stands for, its ending and its folder left out; the name itself for none."""
        wanted = lora_key(name).lower()
        for file in self.files():
            stem = file.rsplit(".", 1)[0].lower()
            if wanted in (file.lower(), stem, stem.rsplit("/", 1)[-1], file.lower().rsplit("/", 1)[-1]):
                return file
        return name if name.lower().endswith(LORA_ENDINGS) else f"{name}{LORA_ENDINGS[0]}"

    def url_of(self, entry: str) -> str | None:
        """Where a missing file can be had; None where nobody knows."""
        return entry if is_url(entry) else self.known_urls.get(lora_key(entry))

    def problem(self, entry: Any) -> str | None:
        """What keeps an entry of `activated_loras` from being used, as a sentence; None where nothing does."""
        if not isinstance(entry, str) or not entry.strip():
            return f"activated_loras: {entry!r} is not accepted. Use names of files, paths or URLs."
        url = self.url_of(entry)
        if is_url(entry):
            return url_problem(entry)
        if not lora_key(entry).lower().endswith(LORA_ENDINGS):
            return f'activated_loras: "{entry}" is not accepted. Use a file that ends in {" or ".join(LORA_ENDINGS)}.'
        if self.find(entry) is not None or url is not None:
            return None
        near = self.near(entry)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Put the file into {self.path}."
        return f'activated_loras: there is no "{entry}". {hint}'

    def near(self, entry: str) -> list[str]:
        """Files with a similar name."""
        wanted = Path(lora_key(entry)).stem.lower()
        by_name = {Path(name).stem.lower(): name for name in self.files()}
        return [by_name[name] for name in difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.6)]


def lora_folder(
    model: ModelDef, root: Path, config: Mapping[str, Any] | Any, known_urls: Mapping[str, str] | None = None
) -> LoraFolder:
    """The folder of a model: `lora_dir` of its definition (else its family's name) under `loras_root`.

    `lora_dirs` of the configuration (from the flags --lora-dir-...) gives single folders another place.
    """
    name = str(model.get("lora_dir") or model.family)
    others = config.get("lora_dirs") or {}
    base = root / str(config.get("loras_root") or "loras")
    path = root / str(others[name]) if name in others else base / name
    prefix = f"{name}|"
    known = read_url_registry(root) if known_urls is None else known_urls
    return LoraFolder(path, name, {key[len(prefix) :]: url for key, url in known.items() if key.startswith(prefix)})


def is_url(entry: str) -> bool:
    """Whether an entry of `activated_loras` names a place on the net."""
    return "://" in entry


def split_url(entry: str) -> tuple[str, str]:
    """(URL, sub-folder) of `url|subfolder`."""
    url, _, folder = entry.partition("|")
    return url.strip(), folder.strip().strip("/")


def url_target(entry: str) -> str:
    """Where the file of a URL lies under the LoRA folder."""
    url, folder = split_url(entry)
    name = safe_name(unquote(urlsplit(url).path.rsplit("/", 1)[-1]))
    parts = [safe_name(part) for part in folder.split("/") if part not in ("", ".", "..")]
    return "/".join([*parts, name])


def url_problem(entry: str) -> str | None:
    """Why a URL is not fetched; None where it may be."""
    url, _ = split_url(entry)
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return f'activated_loras: "{url[:200]}" is not a web address.'
    if parts.scheme != "https" or not host:
        return f'activated_loras: "{url[:200]}" is not accepted. Use an address that begins with https://.'
    if not unquote(parts.path).lower().endswith(LORA_ENDINGS):
        return (
            f'activated_loras: "{url[:200]}" is not accepted. Use the address of a file that ends in '
            f"{' or '.join(LORA_ENDINGS)}; other kinds of files can carry programs."
        )
    return None


def read_url_registry(root: Path) -> dict[str, str]:
    """Where files came from: URL by `<folder>|<relative path>`. Empty where the file is missing or damaged."""
    try:
        found = json.loads((root / URL_REGISTRY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(url) for key, url in found.items()} if isinstance(found, dict) else {}


def remember_url(root: Path, folder: LoraFolder, entry: str) -> None:
    """Note where the file of a URL came from."""
    known = read_url_registry(root)
    known[f"{folder.name}|{url_target(entry)}"] = entry
    write_atomic(root / URL_REGISTRY, json.dumps(known, indent=1, sort_keys=True).encode())


def own_loras(model: ModelDef) -> list[str]:
    """The LoRAs that a definition always applies."""
    entries = model.get("loras") or []
    return [str(entry) for entry in ([entries] if isinstance(entries, str) else entries)]


def all_entries(model: ModelDef, settings: Mapping[str, Any]) -> list[str]:
    """Every LoRA of a run: the definition's, then the user's, none twice."""
    chosen = settings.get("activated_loras") or []
    return unique([*own_loras(model), *(str(entry) for entry in chosen)])


def unique(entries: Sequence[str]) -> list[str]:
    """The entries without those that name the same file again."""
    return list({lora_key(entry): entry for entry in reversed(entries)}.values())[::-1]


def lora_problems(settings: Mapping[str, Any], folder: LoraFolder) -> list[str]:
    """What is wrong with `activated_loras`, found without reading a file."""
    chosen = settings.get("activated_loras")
    if not isinstance(chosen, (list, tuple)):
        return []
    return [problem for entry in chosen if (problem := folder.problem(entry)) is not None]


def locate_all(entries: Iterable[str], folder: LoraFolder) -> dict[str, str]:
    """The file of each entry. Raises SettingsError for one that is not on disk."""
    found: dict[str, str] = {}
    for entry in entries:
        path = folder.find(entry)
        if path is None:
            raise SettingsError(folder.problem(entry) or f'activated_loras: "{entry}" is not on disk.')
        found[entry] = str(path)
    return found


def _relative_files(folder: Path) -> Iterable[str]:
    if not folder.is_dir():
        return
    for path in folder.rglob("*"):
        if path.suffix.lower() in LORA_ENDINGS and not path.name.startswith(".") and path.is_file():
            yield path.relative_to(folder).as_posix()
