"""Weights in fewer bits, through the back ends of diffusers, and the copies of them kept on disk.

They save memory, not time: each pass turns them back into floats.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.hooks import apply_layerwise_casting
from safetensors import SafetensorError

from shared.core.errors import SettingsError

_log = logging.getLogger(__name__)

FOLDER = "quantized"
# fp8 by diffusers' layerwise casting: every layer is cast for its pass. Needs no back end, and no copy on disk.
CAST = "fp8_cast"
_STAMP = "made_from.json"
# Layers whose rounding is seen most and that weigh least, in the words of diffusers and transformers.
_KEPT_WHOLE = ("embed", "norm", "proj_out", "proj_in", "lm_head", "time_text", "modulation")


def can_quantize(kind: str, device: str) -> bool:
    """Whether a back end for this kind is installed and runs on this kind of device."""
    if kind == CAST:
        return True
    if kind in ("int8", "fp8"):
        return _is_installed("torchao")
    if kind == "int4" and device.startswith("cuda"):
        return _is_installed("torchao") or _is_installed("bitsandbytes")
    return kind == "nf4" and device.startswith("cuda") and _is_installed("bitsandbytes")


def quantization_config(kind: str, library: str, device: str, dtype: torch.dtype) -> Any:
    """The configuration object for `from_pretrained` of "diffusers" or "transformers".

    Raises SettingsError for a kind that no installed back end offers on this device.
    """
    if not can_quantize(kind, device):
        raise SettingsError(
            f'transformer_quantization: "{kind}" cannot be used here ({device}). Use int8 or fp8 (they need the '
            f"package torchao), or on CUDA int4 and nf4 (nf4 needs bitsandbytes)."
        )
    owner = diffusers if library == "diffusers" else transformers
    if kind == "nf4" or (kind == "int4" and not _is_installed("torchao")):
        return owner.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return owner.TorchAoConfig(_torchao_type(kind), modules_to_not_convert=list(_KEPT_WHOLE))


def _torchao_type(kind: str) -> Any:
    from torchao.quantization import Float8WeightOnlyConfig, Int4WeightOnlyConfig, Int8WeightOnlyConfig

    if kind == "int4":
        return Int4WeightOnlyConfig(group_size=128, int4_packing_format="tile_packed_to_4d")
    return Int8WeightOnlyConfig() if kind == "int8" else Float8WeightOnlyConfig()


def cast_layers(module: Any, dtype: torch.dtype) -> Any:
    """The network with its layers kept in 8-bit floats and cast to `dtype` for each pass."""
    if hasattr(module, "enable_layerwise_casting"):
        module.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    else:
        apply_layerwise_casting(module, torch.float8_e4m3fn, dtype, skip_modules_pattern=_KEPT_WHOLE)
    return module


class QuantizedCopies:
    """Quantised parts kept under a checkpoint root, so that quantising happens once.

    A copy is written beside its place and then moved there whole. It counts only while the files it was made from
    have the sizes and times they had, its own files the sizes they had, and torchao is the same.
    """

    def __init__(self, roots: Sequence[str | Path]) -> None:
        self._roots = [Path(root) / FOLDER for root in roots]

    def find(self, name: str, kind: str, sources: Iterable[Path]) -> Path | None:
        """The folder of a copy that still holds."""
        stamp = _stamp(kind, sources)
        for root in self._roots:
            folder = root / f"{name}.{kind}"
            try:
                known = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if known.get("sources") == stamp and known.get("files") == _sizes(folder):
                return folder
        return None

    def load_or_make(
        self, name: str, kind: str, sources: Iterable[Path], load: Callable[[Path], Any], make: Callable[[], Any]
    ) -> Any:
        """The part by `load(folder)` from a copy that holds, else by `make()`, which is then kept."""
        sources = list(sources)
        folder = self.find(name, kind, sources)
        if folder is not None:
            try:
                return load(folder)
            except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as exc:
                _log.warning("The quantised copy %s cannot be read and is made again: %s", folder, exc)
                shutil.rmtree(folder, ignore_errors=True)
        module = make()
        self.keep(name, kind, sources, module)
        return module

    def keep(self, name: str, kind: str, sources: Iterable[Path], module: Any) -> Path | None:
        """Write a copy; None where there is no room or no right to write, which is told in the log alone."""
        root, stamp = self._roots[0], _stamp(kind, sources)
        needed = sum(weight.nbytes for weight in module.state_dict().values() if isinstance(weight, torch.Tensor))
        temporary: Path | None = None
        try:
            root.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(root).free < 1.2 * needed:
                _log.warning("No room in %s for the quantised copy of %s (%.1f GB)", root, name, needed / 1e9)
                return None
            temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root))
            module.save_pretrained(temporary)
            content = {"sources": stamp, "files": _sizes(temporary)}
            (temporary / _STAMP).write_text(json.dumps(content, indent=1), encoding="utf-8")
            place = root / f"{name}.{kind}"
            shutil.rmtree(place, ignore_errors=True)
            os.replace(temporary, place)
        except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as exc:
            _log.warning("The quantised copy of %s could not be kept: %s", name, exc)
            return None
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    shutil.rmtree(temporary, ignore_errors=True)
        return place


def copy_name(source: Path, part: str) -> str:
    """The name of a part's copy: that of the checkpoint and part, or of the single file."""
    stem = f"{source.name}-{part}" if source.is_dir() else source.stem
    return f"{stem}-{hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:8]}"


def _stamp(kind: str, sources: Iterable[Path]) -> dict[str, Any]:
    files = sorted(path for source in sources for path in ([source] if source.is_file() else source.iterdir()))
    known = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files if path.is_file()]
    return {"kind": kind, "files": known, "torchao": _version("torchao"), "kept_whole": list(_KEPT_WHOLE)}


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.name != _STAMP}


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""
