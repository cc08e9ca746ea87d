"""LoRA presets (`.lset`), settings files beside the LoRAs, accelerator profiles: read, written, laid over settings."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from shared.core.errors import SettingsError
from shared.core.lora_files import LoraFolder
from shared.core.lora_multipliers import extract_loras_side, merge_loras_settings
from shared.core.paths import safe_name, write_atomic
from shared.core.vocabulary import FILE_KEYS, canonical

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

PROFILES_FOLDER = "profiles"
PRESET_ENDING = ".lset"
_MOST_BYTES = 4 * 2**20

PresetKind = Literal["accelerator", "preset", "settings"]


@dataclass(frozen=True)
class LoraPreset:
    """A file that can be laid over settings: an accelerator profile, a `.lset`, or a settings file."""

    name: str
    path: Path
    kind: PresetKind

    @property
    def help(self) -> str:
        """What the file says of itself; "" where it says nothing or cannot be read."""
        try:
            return str(read_preset(self).get("help") or "")
        except SettingsError:
            return ""


def profile_folders(model: ModelDef, root: Path) -> list[Path]:
    """The folders of a model's accelerator profiles: `profiles_dir` of its definition, else its LoRA folder's name."""
    names = model.get("profiles_dir") or model.get("lora_dir") or model.family
    names = [names] if isinstance(names, str) else list(names)
    roots = [root / PROFILES_FOLDER, *(Path(folder) for folder in model.get("_profile_roots") or ())]
    return [folder / str(name) for folder in roots for name in names]


def presets_of(model: ModelDef, root: Path, folder: LoraFolder) -> list[LoraPreset]:
    """What is offered for a model: the accelerator profiles first, then the user's presets and settings files."""
    found = [
        LoraPreset(path.stem, path, "accelerator")
        for profiles in profile_folders(model, root)
        for path in sorted(profiles.glob("*.json"))
    ]
    for ending, kind in ((PRESET_ENDING, "preset"), (".json", "settings")):
        paths = sorted(folder.path.glob(f"*{ending}")) if folder.path.is_dir() else []
        found += [LoraPreset(path.stem, path, kind) for path in paths]  # type: ignore[arg-type]
    return found


def find_preset(presets: Sequence[LoraPreset], name: str) -> LoraPreset:
    """The preset of that name (with or without its ending). Raises SettingsError, naming similar ones."""
    wanted = name.strip().lower()
    for preset in presets:
        if wanted in (preset.name.lower(), preset.path.name.lower()):
            return preset
    near = difflib.get_close_matches(wanted, [preset.name.lower() for preset in presets], n=3, cutoff=0.5)
    known = [preset.name for preset in presets if preset.name.lower() in near] or [one.name for one in presets]
    hint = f" Known are {', '.join(known)}." if known else " This model has no presets."
    raise SettingsError(f'lora_preset: there is no "{name}" for this model.{hint}')


def read_preset(preset: LoraPreset) -> dict[str, Any]:
    """The object in a preset's file. Raises SettingsError."""
    try:
        if preset.path.stat().st_size > _MOST_BYTES:
            raise SettingsError(f"{preset.path}: the file is too large for a preset.")
        found = json.loads(preset.path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as exc:
        raise SettingsError(f"{preset.path}: the preset cannot be read ({exc}).") from exc
    if not isinstance(found, dict):
        raise SettingsError(f"{preset.path}: the preset holds no settings.")
    return found


def apply_preset(settings: Mapping[str, Any], preset: LoraPreset) -> dict[str, Any]:
    """`settings` with the preset over them. Raises SettingsError for a file that cannot be read.

    An accelerator takes the place of the accelerators (left of the bar), anything else that of the user's LoRAs.
    """
    source = read_preset(preset)
    return _with_lset(settings, source) if preset.kind == "preset" else _with_settings(settings, source, preset.kind)


def write_preset(folder: LoraFolder, name: str, settings: Mapping[str, Any], *, full_prompt: bool = False) -> Path:
    """Save the user's LoRAs of `settings` as `<name>.lset` in the LoRA folder.

    Without `full_prompt` only the remarks of the prompt are kept. A preset of the same name in another format becomes
    `<name>.bkp`. Raises WanGPError when the folder cannot be written.
    """
    loras, multipliers = extract_loras_side(_loras(settings), str(settings.get("loras_multipliers") or ""), "after")
    prompt = str(settings.get("prompt") or "")
    kept = prompt if full_prompt else "\n".join(line for line in prompt.splitlines() if line.startswith("#"))
    content: dict[str, Any] = {"loras": loras, "loras_mult": multipliers}
    content |= {"prompt": kept} if kept else {}
    content["full_prompt"] = full_prompt
    stem = safe_name(name.removesuffix(PRESET_ENDING))
    for ending in (".json", ".zip"):
        other = folder.path / f"{stem}{ending}"
        if other.is_file():
            os.replace(other, folder.path / f"{stem}.bkp")
    text = json.dumps(content, indent=4, ensure_ascii=False)
    return write_atomic(folder.path / f"{stem}{PRESET_ENDING}", text.encode())


def write_settings_preset(folder: LoraFolder, name: str, settings: Mapping[str, Any]) -> Path:
    """Save whole settings, as they are exported, as `<name>.json` in the LoRA folder. Raises WanGPError.

    A LoRA preset of the same name becomes `<name>.bkp`.
    """
    stem = safe_name(name.removesuffix(".json"))
    other = folder.path / f"{stem}{PRESET_ENDING}"
    if other.is_file():
        os.replace(other, folder.path / f"{stem}.bkp")
    text = json.dumps(dict(settings), indent=4, ensure_ascii=False)
    return write_atomic(folder.path / f"{stem}.json", text.encode())


def delete_preset(preset: LoraPreset) -> None:
    """Take a user's preset off the disk. Raises SettingsError for an accelerator profile, which came with WanGP."""
    if preset.kind == "accelerator":
        raise SettingsError(f'lora_preset: "{preset.name}" came with the program and stays.')
    preset.path.unlink(missing_ok=True)


def _with_lset(settings: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    loras, text = merge_loras_settings(
        _loras(settings),
        str(settings.get("loras_multipliers") or ""),
        [str(entry) for entry in source.get("loras") or []],
        _multipliers(source.get("loras_mult")),
        "merge after",
    )
    changed = {**settings, "activated_loras": loras, "loras_multipliers": text}
    prompt = source.get("prompt")
    if isinstance(prompt, str) and prompt:
        changed["prompt"] = prompt if source.get("full_prompt") else _with_remarks(prompt, settings.get("prompt"))
    return changed


def _with_remarks(remarks: str, prompt: Any) -> str:
    """The prompt under other remarks."""
    own = [line for line in str(prompt or "").splitlines() if not line.startswith("#")]
    return "\n".join([remarks, *own])


def _with_settings(settings: Mapping[str, Any], source: Mapping[str, Any], kind: PresetKind) -> dict[str, Any]:
    over = {key: value for key, value in canonical(source).items() if key not in FILE_KEYS}
    loras, text = _loras(over), _multipliers(over.get("loras_multipliers"))
    merged, multipliers = merge_loras_settings(
        _loras(settings),
        str(settings.get("loras_multipliers") or ""),
        loras,
        text,
        "merge before" if kind == "accelerator" else "merge after",
    )
    return {**settings, **over, "activated_loras": merged, "loras_multipliers": multipliers}


def _loras(settings: Mapping[str, Any]) -> list[str]:
    return [str(entry) for entry in settings.get("activated_loras") or []]


def _multipliers(value: Any) -> str:
    return " ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value or "")
