"""Finds the families (models/<family>) and the model definitions (defaults/, finetunes/, ...). Loads no torch."""

from __future__ import annotations

import difflib
import importlib
import json
import pkgutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import models
from shared.core.checkpoints import Availability, Finder, availability
from shared.core.contracts import FamilyHandler, LoadOptions, ModelFile
from shared.core.errors import ModelNotFound
from shared.core.lora_files import LoraFolder, is_url, lora_folder, own_loras
from shared.core.model_configs import configured
from shared.core.model_def import ModelDef, architecture_of, block_of, build_model_def, overlay
from shared.core.model_files import file_from_entry, lora_file
from shared.core.params import Param
from shared.core.plugin_import import plugin_parts
from shared.core.plugin_info import PluginInfo, enabled_plugins
from shared.core.processors import Processors
from shared.engine.processors import find_processors

DEFAULT_ROOTS = ("ckpts", ".")
_UNORDERED = 1000
_HANDLER_PARTS = ("name", "label", "order", "architectures", "settings", "definition", "files", "problems", "load")
_LISTED_FOR_S = 1.0


class ConfigSource(Protocol):
    """The program's settings, as far as they matter here."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`."""


@dataclass(frozen=True)
class _Catalogue:
    """What one reading of the folders found."""

    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, ModelDef] = field(default_factory=dict)
    broken: Sequence[str] = ()


class Registry:
    """Every model that can be chosen, and the family that runs it.

    `root` holds defaults/ and finetunes/; `extra_roots` are further folders of definitions (plugins). A file that
    cannot be read or used is told in `broken` and takes no other down; a file that was good before keeps its last good
    definition.
    """

    def __init__(
        self, root: str | Path, config: ConfigSource | None = None, extra_roots: Iterable[str | Path] = ()
    ) -> None:
        self.root, self.config = Path(root), config
        plugins = enabled_plugins(self.root, config)
        own = [info.folder / info.defaults for info in plugins if info.defaults]
        self._folders = [self.root / "defaults", *own, *(Path(path) for path in extra_roots), self.root / "finetunes"]
        self._profile_roots = [str(info.folder / info.profiles) for info in plugins if info.profiles]
        self.processors = find_processors(plugins)
        self._handlers, self._broken_families = _find_families(plugins)
        self._catalogue = _Catalogue()
        self._params: dict[str, dict[str, Param]] = {}
        self._loras: dict[Path, tuple[float, list[str]]] = {}
        self._finder = Finder(())
        self.refresh()

    def refresh(self) -> None:
        """Read the folders again."""
        self._seen = self._stamps()
        self._catalogue = self._read(self._catalogue)
        self._params = {}
        self._finder = Finder(())

    def refresh_if_changed(self) -> bool:
        """Read the folders again when a definition has come, gone or changed."""
        if self._stamps() == self._seen:
            return False
        self.refresh()
        return True

    def _stamps(self) -> dict[str, tuple[int, int]]:
        """What changes when a definition is written, by file."""
        found: dict[str, tuple[int, int]] = {}
        for path in (path for folder in self._folders for path in folder.glob("*.json")):
            with suppress(OSError):
                stat = path.stat()
                found[str(path)] = (stat.st_mtime_ns, stat.st_size)
        return found

    @property
    def broken(self) -> list[str]:
        """What could not be read or used: file, line and reason."""
        return [*self._broken_families, *self.processors.broken, *self._catalogue.broken]

    def families(self) -> dict[str, FamilyHandler]:
        """The handlers by family name, in the order in which they are shown."""
        return dict(self._handlers)

    def models(self) -> dict[str, ModelDef]:
        """The definitions by model id, in the order in which they are shown."""
        return dict(self._catalogue.models)

    def get(self, model_type: str) -> ModelDef:
        """The definition of a model. Raises ModelNotFound, naming models with a similar id."""
        found = self._catalogue.models.get(model_type)
        if found is not None:
            return found
        broken = next((text for text in self.broken if Path(text.partition(".json: ")[0]).name == model_type), None)
        if broken is not None:
            raise ModelNotFound(f'model_type: the definition of "{model_type}" cannot be used. {broken}')
        known = list(self._catalogue.models)
        near = difflib.get_close_matches(str(model_type), known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known are {', '.join(known) or 'none'}."
        raise ModelNotFound(f'model_type: the model "{model_type}" is not known. {hint}')

    def handler(self, model: ModelDef) -> FamilyHandler:
        """The family that runs a model."""
        return self._handlers[model.family]

    def params(self, model: ModelDef) -> dict[str, Param]:
        """The settings that a model has, by name, with its own bounds, choices and defaults."""
        if model.model_type not in self._params:
            params = self.handler(model).settings(model)
            self._params[model.model_type] = {param.name: param for param in params}
        found = _with_processors(dict(self._params[model.model_type]), self.processors)
        if "activated_loras" in found:
            names = self._lora_names(model)
            found["activated_loras"] = found["activated_loras"].with_changes(choices=tuple((n, n) for n in names))
        return found

    def _lora_names(self, model: ModelDef) -> list[str]:
        """The files in a model's LoRA folder, read again after a moment: a form asks for them once a setting."""
        folder = lora_folder(model, self.root, self.config or {}, known_urls={}).path
        read_at, names = self._loras.get(folder, (0.0, []))
        if time.monotonic() - read_at > _LISTED_FOR_S:
            names = LoraFolder(folder).files()
            self._loras[folder] = (time.monotonic(), names)
        return names

    def lora_folder(self, model: ModelDef) -> LoraFolder:
        """Where the LoRAs of a model are."""
        return lora_folder(model, self.root, self.config or {})

    def roots(self) -> list[str]:
        """The folders in which weights are looked for, in order, absolute."""
        configured = self.config.get("checkpoints_paths") if self.config is not None else None
        return [str(self.root / folder) for folder in configured or DEFAULT_ROOTS]

    def files(self, model: ModelDef) -> list[ModelFile]:
        """The files that a model needs, in the variants that the program's settings ask for."""
        wanted = self.config.get if self.config is not None else dict[str, Any]().get
        options = LoadOptions(
            quantization=str(wanted("transformer_quantization") or ""),
            text_encoder_quantization=str(wanted("text_encoder_quantization") or ""),
        )
        folder = lora_folder(model, self.root, self.config or {}, known_urls={})
        loras = [lora_file(entry, folder) for entry in own_loras(model) if is_url(entry)]
        return [*self.handler(model).files(model, options), *loras]

    def availability(self, model: ModelDef) -> Availability:
        """Whether all, some or none of the model's files are on disk."""
        return availability(self.files(model), self.finder())

    def finder(self) -> Finder:
        """Looks for files under today's roots; what it has read is kept until `refresh`."""
        roots = self.roots()
        if [str(root) for root in self._finder.roots] != [str(Path(root)) for root in roots]:
            self._finder = Finder(roots)
        return self._finder

    def model_for(self, settings: Mapping[str, Any]) -> ModelDef:
        """The model that settings ask for: `model_type`, else `base_model_type`, else a guess from `model_filename`; in
        the configuration that `config` names.

        Raises ModelNotFound when none of them is known.
        """
        return configured(self._named(settings), settings.get("config"))

    def _named(self, settings: Mapping[str, Any]) -> ModelDef:
        known = self._catalogue.models
        for key in ("model_type", "base_model_type"):
            name = settings.get(key)
            if isinstance(name, str) and name in known:
                return known[name]
        guess = self._model_of_file(settings.get("model_filename"))
        if guess is not None:
            return guess
        wanted = settings.get("model_type") or settings.get("base_model_type")
        if not wanted:
            raise ModelNotFound("model_type: it is missing. Name the model that the settings are for.")
        return self.get(str(wanted))

    def _model_of_file(self, file_name: Any) -> ModelDef | None:
        """The model whose weights have that file name, or whose id is the longest one that stands in it."""
        if not isinstance(file_name, str) or not file_name:
            return None
        stem = _comparable(Path(file_name.replace("\\", "/")).name)
        for model in self._catalogue.models.values():
            urls = model.get("URLs") or []
            if any(_comparable(str(url).rsplit("/", 1)[-1]) == stem for url in urls if isinstance(urls, list)):
                return model
        named = [name for name in self._catalogue.models if _comparable(name) in stem]
        return self._catalogue.models[max(named, key=len)] if named else None

    def _read(self, before: _Catalogue) -> _Catalogue:
        sources: dict[str, Mapping[str, Any]] = {}
        paths: dict[str, str] = {}
        broken: list[str] = []
        for folder in self._folders:
            for path in sorted(folder.glob("*.json")):
                try:
                    source: Mapping[str, Any] = _read_definition(path)
                except ValueError as exc:
                    broken.append(f"{path}: {exc}")
                    if before.paths.get(path.stem) != str(path):
                        continue
                    source = before.sources[path.stem]
                base = sources.get(path.stem)
                sources[path.stem] = overlay(base, source) if base is not None else source
                paths[path.stem] = str(path)
        found: list[ModelDef] = []
        for model_type in sources:
            try:
                found.append(self._build(model_type, sources, paths[model_type]))
            except ModelNotFound as exc:
                broken.append(f"{paths[model_type]}: {exc}")
        found.sort(key=self._order)
        return _Catalogue(sources, paths, {model.model_type: model for model in found}, tuple(broken))

    def _build(self, model_type: str, sources: Mapping[str, Mapping[str, Any]], path: str) -> ModelDef:
        architecture = architecture_of(sources[model_type])
        for handler in self._handlers.values():
            if architecture in handler.architectures:
                definition = {**self._offered(), **handler.definition(architecture, block_of(sources[model_type]))}
                model = build_model_def(model_type, sources, handler.name, definition, path)
                _check_addresses(handler, model)
                return model
        if not architecture:
            raise ModelNotFound('its "model" block names no "architecture".')
        known = sorted(name for handler in self._handlers.values() for name in handler.architectures)
        near = difflib.get_close_matches(architecture, known, n=2, cutoff=0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ModelNotFound(f'no family knows the architecture "{architecture}".{hint}')

    def _offered(self) -> dict[str, Any]:
        """What every model can be finished with, and where plugins keep profiles for it."""
        offered: dict[str, Any] = {"_profile_roots": self._profile_roots} if self._profile_roots else {}
        return {**offered, "temporal_upsamplers": bool(self.processors.temporal)}

    def _order(self, model: ModelDef) -> tuple[int, int, str]:
        return self._handlers[model.family].order, int(model.get("order", _UNORDERED)), model.model_type.lower()


def _with_processors(params: dict[str, Param], processors: Processors) -> dict[str, Param]:
    """The settings with the upsamplers there are as choices."""
    choices = (
        ("spatial_upsampling", processors.spatial_choices()), ("temporal_upsampling", processors.temporal_choices())
    )  # fmt: skip
    for name, offered in choices:
        if name in params:
            params[name] = params[name].with_changes(choices=tuple(offered))
    return params


def _find_families(plugins: Sequence[PluginInfo]) -> tuple[dict[str, FamilyHandler], list[str]]:
    """The handlers under models/ and of plugins in their order, and what could not be imported."""
    handlers: list[FamilyHandler] = []
    broken: list[str] = []
    for entry in pkgutil.iter_modules(models.__path__):
        if not entry.ispkg:
            continue
        try:
            handlers.append(importlib.import_module(f"{models.__name__}.{entry.name}").handler)
        except (ImportError, AttributeError, SyntaxError) as exc:
            broken.append(f"models/{entry.name}: {exc}")
    parts, wrong = plugin_parts(plugins, "model_handlers")
    taken = {handler.name for handler in handlers}
    for info, handler in parts:
        lacking = [name for name in _HANDLER_PARTS if not hasattr(handler, name)]
        if lacking or handler.name in taken:
            reason = f"it lacks {', '.join(lacking)}" if lacking else f'the name "{handler.name}" is taken'
            wrong.append(f"plugins/{info.id}: model_handlers: {reason}")
            continue
        taken.add(handler.name)
        handlers.append(handler)
    broken += wrong
    handlers.sort(key=lambda handler: (handler.order, handler.name))
    return {handler.name: handler for handler in handlers}, broken


def _check_addresses(handler: FamilyHandler, model: ModelDef) -> None:
    """Raise ModelNotFound for an address or path of the definition that cannot be used."""
    handler.files(model)
    for entry in own_loras(model):
        file_from_entry(entry)


def _read_definition(path: Path) -> dict[str, Any]:
    """The JSON object of a file. Raises ValueError that names the line."""
    try:
        source = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as exc:
        raise ValueError(f"line {exc.lineno}: {exc.msg}") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(str(exc)) from exc
    if not isinstance(source, dict) or not isinstance(source.get("model"), dict):
        raise ValueError('it is no object with a "model" block')
    return source


def _comparable(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
