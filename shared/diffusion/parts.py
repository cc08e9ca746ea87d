"""The parts of a pipeline that are not loaded as they lie in its folder: from a single file, or quantised."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from accelerate import init_empty_weights

from shared.core.errors import DownloadError
from shared.core.model_folder import parts_of
from shared.core.weights import Weights
from shared.diffusion.quantization import CAST, QuantizedCopies, cast_layers, copy_name, quantization_config
from shared.diffusion.weight_files import State, as_umt5, read_weights, without_prefix

# diffusers finds the weights of these by the prefix that others have taken off.
_KEEPS_PREFIX = ("UNet2DConditionModel", "StableCascadeUNet")


@dataclass(frozen=True)
class PartLoader:
    """Loads parts of one checkpoint on the CPU: `kinds` are the quantisations by part, `dtypes` the dtypes."""

    weights: Weights
    index: Mapping[str, Any]
    kinds: Mapping[str, str]
    dtypes: Mapping[str, torch.dtype]
    device: str
    roots: Sequence[str]

    def load(self) -> dict[str, Any]:
        """The parts by name, to be given to the pipeline's `from_pretrained`. Raises DownloadError, SettingsError."""
        classes = parts_of(self.index)
        files = {self._part_of(role, classes): path for role, path in self.weights.parts.items()}
        found: dict[str, Any] = {}
        for part, (library, class_name) in classes.items():
            part_class = _class_of(library, class_name)
            kind = self.kinds.get(part, "") if part_class is not None else ""
            if part in files and part_class is None:
                raise DownloadError(f"{files[part]}: a {class_name} cannot be loaded from a single file.")
            if kind == CAST:
                found[part] = cast_layers(self._plain(part, part_class, files.get(part)), self._dtype(part))
            elif kind:
                found[part] = self._quantised(part, library, part_class, files.get(part))
            elif part in files:
                found[part] = self._from_file(part, part_class, files[part], None)
        return found

    def _part_of(self, role: str, classes: Mapping[str, Any]) -> str:
        part = "unet" if role == "transformer" and role not in classes and "unet" in classes else role
        if part not in classes:
            raise DownloadError(f"{self.weights.parts[role]}: this pipeline has no {role} ({', '.join(classes)}).")
        return part

    def _dtype(self, part: str) -> torch.dtype:
        return self.dtypes.get(part, self.dtypes["default"])

    def _quantised(self, part: str, library: str, part_class: Any, file: Path | None) -> Any:
        kind, dtype, folder = self.kinds[part], self._dtype(part), self._folder / part
        config = quantization_config(kind, library, self.device, dtype)

        def load(copy: Path) -> Any:
            return part_class.from_pretrained(copy, dtype=dtype, local_files_only=True)

        def make() -> Any:
            return self._plain(part, part_class, file, config)

        sources = [folder] if file is None else [folder, file, *self._modules(part)]
        name = copy_name(self._folder, part) if file is None else copy_name(file, part)
        return QuantizedCopies(self.roots).load_or_make(name, kind, sources, load, make)

    def _plain(self, part: str, part_class: Any, file: Path | None, config: Any = None) -> Any:
        """The part from its folder or its file, quantised as `config` says."""
        if file is not None:
            return self._from_file(part, part_class, file, config)
        options = {"variant": self.weights.variant} if self.weights.variant else {}
        options |= {} if config is None else {"quantization_config": config}
        return part_class.from_pretrained(
            self._folder / part, dtype=self._dtype(part), local_files_only=True, **options
        )

    @property
    def _folder(self) -> Path:
        assert self.weights.folder is not None
        return self.weights.folder

    def _modules(self, part: str) -> tuple[Path, ...]:
        return self.weights.modules if part in ("transformer", "unet") else ()

    def _from_file(self, part: str, part_class: Any, file: Path, config: Any) -> Any:
        dtype = self._dtype(part)
        if issubclass(part_class, transformers.PreTrainedModel):
            return _text_model(part_class, self._folder / part, file, dtype, config)
        state: State = {}
        for path in (file, *self._modules(part)):
            state |= read_weights(path, dtype, keeps_prefix=part_class.__name__ in _KEEPS_PREFIX)
        if file.suffix == ".gguf":
            config = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
        return _diffusion_model(part_class, self._folder / part, file, state, dtype, config)


def _class_of(library: str, class_name: str) -> Any:
    owner = {"diffusers": diffusers, "transformers": transformers}.get(library)
    found = getattr(owner, class_name, None)
    return found if isinstance(found, type) and issubclass(found, torch.nn.Module) else None


def _diffusion_model(
    part_class: Any, folder: Path, file: Path, state: State, dtype: torch.dtype, config: Any
) -> torch.nn.Module:
    """A network of diffusers with these weights, whose names may be those of its first publisher."""
    wrong = f"{file} does not hold the weights of a {part_class.__name__} like the one in {folder}"
    if hasattr(part_class, "from_single_file"):
        try:
            with _without_warning_of_casts():
                model = part_class.from_single_file(
                    state, config=str(folder), dtype=dtype, quantization_config=config, local_files_only=True
                )
        except (ValueError, KeyError, IndexError, AttributeError, RuntimeError) as exc:
            raise DownloadError(f"{wrong}. {exc}") from exc
    else:
        model = _with_state(part_class, folder, state, dtype, wrong)
    missing = [name for name, value in model.state_dict().items() if getattr(value, "is_meta", False)]
    if missing:
        raise DownloadError(f"{wrong}: {len(missing)} weights are missing, such as {missing[0]}.")
    if config is None:
        _keep_in_float32(model)
    return model


def _keep_in_float32(model: torch.nn.Module) -> None:
    """What `from_pretrained` keeps in float32, `from_single_file` casts as all else."""
    kept = getattr(model, "_keep_in_fp32_modules", None) or ()
    for name, weight in model.named_parameters():
        if any(part in name.split(".") for part in ([kept] if isinstance(kept, str) else kept)):
            weight.data = weight.data.to(torch.float32)


@contextmanager
def _without_warning_of_casts() -> Iterator[None]:
    """diffusers warns of the cast that `_keep_in_float32` makes good."""
    logger = logging.getLogger("diffusers.models.modeling_utils")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _with_state(part_class: Any, folder: Path, state: State, dtype: torch.dtype, wrong: str) -> torch.nn.Module:
    if any(type(value).__name__ == "GGUFParameter" for value in state.values()):
        raise DownloadError(f"{wrong}: GGUF files of this kind of network cannot be read.")
    with init_empty_weights():
        model = part_class.from_config(part_class.load_config(folder))
    floats = {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}
    try:
        model.load_state_dict(floats, strict=False, assign=True)
    except RuntimeError as exc:
        raise DownloadError(f"{wrong}. {exc}") from exc
    return model.eval()


def _text_model(part_class: Any, folder: Path, file: Path, dtype: torch.dtype, config: Any) -> torch.nn.Module:
    """A network of transformers from one file; a GGUF's weights become floats of `dtype`."""
    options = {"quantization_config": config} if config is not None else {}
    try:
        if file.suffix == ".gguf":
            model_config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
            return part_class.from_pretrained(
                file.parent, gguf_file=file.name, config=model_config, dtype=dtype, local_files_only=True, **options
            )
        model_config = part_class.config_class.from_pretrained(folder, local_files_only=True)
        state = as_umt5(without_prefix(read_weights(file, dtype)))
        model, told = part_class.from_pretrained(
            None, config=model_config, state_dict=state, dtype=dtype, output_loading_info=True, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        raise DownloadError(f"{file} is damaged or of another text encoder than {folder}. {exc}") from exc
    missing = sorted(told["missing_keys"])
    if missing:
        raise DownloadError(f"{file} lacks {len(missing)} weights of a {part_class.__name__}, such as {missing[0]}.")
    return model
