"""The LoRAs of a task: which are still to be fetched, and which file each of them is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.core.contracts import ModelFile
from shared.core.errors import ModelNotFound, SettingsError
from shared.core.lora_files import LoraFolder, all_entries, is_url, locate_all, remember_url
from shared.core.model_def import ModelDef
from shared.core.model_files import lora_file
from shared.core.safetensors_header import header_problem


def missing_loras(model: ModelDef, settings: Mapping[str, Any], folder: LoraFolder) -> list[ModelFile]:
    """The LoRAs of the definition and the settings that are not on disk, where they can be had.

    Raises SettingsError for one that nobody knows a place of, or whose address cannot be used.
    """
    wanted = []
    for entry in all_entries(model, settings):
        if folder.find(entry) is None:
            url = folder.url_of(entry)
            if url is None:
                raise SettingsError(folder.problem(entry) or f'activated_loras: there is no "{entry}".')
            problem = folder.problem(url)
            if problem is not None:
                raise SettingsError(problem)
            try:
                wanted.append(lora_file(url, folder))
            except ModelNotFound as exc:
                raise SettingsError(f"activated_loras: {exc}") from exc
    return wanted


def lora_files(model: ModelDef, settings: Mapping[str, Any], folder: LoraFolder, root: Path) -> dict[str, str]:
    """The file of each LoRA by its entry, once all are on disk; where one came from is remembered.

    Raises SettingsError for one that is not there or is no LoRA file.
    """
    entries = all_entries(model, settings)
    found = locate_all(entries, folder)
    for entry, path in found.items():
        problem = header_problem(Path(path))
        if problem is not None:
            raise SettingsError(f'activated_loras: "{entry}" {problem}')
        if is_url(entry) and folder.known_urls.get(Path(path).relative_to(folder.path).as_posix()) != entry:
            remember_url(root, folder, entry)
    return found
