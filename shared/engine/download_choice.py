"""Which files of a repository in diffusers' layout a model needs: one format, one dtype, no doubles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.core.model_folder import ELSEWHERE, INDEX, parts_of

# Settings and word lists; each is small.
_SMALL = (".json", ".txt", ".model", ".tiktoken", ".jinja", ".vocab", ".spm", ".bpe")
_WEIGHTS = re.compile(
    r"(?P<stem>[^.]+?)(?:\.(?P<early>\w+?))??(?:-(?P<shard>\d{5})-of-\d{5})?(?:\.(?P<late>\w+?))??"
    r"\.(?P<format>safetensors|bin)(?P<index>\.index(?:\.(?P<indexed>[\w-]+))?\.json)?"
)
_STEMS: Mapping[str, tuple[str, ...]] = {
    "diffusers": ("diffusion_pytorch_model",),
    "transformers": ("model", "pytorch_model"),
}
# Asked for none, the plain files are taken; where there are none, the first of these.
_DTYPES = ("", "bf16", "fp16", "fp32")
_OTHER_TOOLS = ("onnx", "openvino", "flax", "tf", "coreml")


def choose(names: Iterable[str], index: Mapping[str, Any], without: Iterable[str] = (), variant: str = "") -> list[str]:
    """The files of a pipeline: its index, and of each part the settings and one set of weights.

    `without` names the parts whose weights are not needed ("*": all; "part:x": nothing of x), `variant` the dtype to
    prefer ("fp16").
    """
    listed, replaced = list(names), set(without)
    chosen = [INDEX]
    for part, (library, _) in parts_of(index).items():
        if f"{ELSEWHERE}{part}" in replaced:
            continue
        inside = [name for name in listed if name.startswith(f"{part}/")]
        has_weights = not replaced & {part, "*"}
        chosen += choose_part(inside, library, variant, has_weights=has_weights)
    return chosen


def choose_part(names: Sequence[str], library: str = "", variant: str = "", *, has_weights: bool = True) -> list[str]:
    """The files of one part: its settings and word lists, and one set of weights."""
    inside = [name for name in names if not any(f"/{tool}/" in f"/{name.lower()}" for tool in _OTHER_TOOLS)]
    small = [name for name in inside if name.endswith(_SMALL) and not re.search(r"\.index\.([\w-]+\.)?json$", name)]
    return sorted(small) + (_choose_weights(inside, library, variant) if has_weights else [])


def _choose_weights(names: Sequence[str], library: str, variant: str) -> list[str]:
    parsed = {name: match for name in names if (match := _WEIGHTS.fullmatch(name.rsplit("/", 1)[-1]))}
    usual = _STEMS.get(library, ("diffusion_pytorch_model", "model", "pytorch_model"))
    parsed = {name: match for name, match in parsed.items() if match["stem"] in usual} or parsed
    for ending in ("safetensors", "bin"):
        of_format = {name: match for name, match in parsed.items() if match["format"] == ending}
        if any(not match["index"] for match in of_format.values()):
            return _one_set(of_format, library, variant)
    return sorted(name for name in names if name.endswith((".gguf", ".pt", ".pth", ".ckpt")))


def _one_set(parsed: Mapping[str, re.Match[str]], library: str, variant: str) -> list[str]:
    """The files of one dtype: the shards with their index, or the single file."""
    by_dtype: dict[str, dict[str, re.Match[str]]] = {}
    for name, match in parsed.items():
        dtype = match["early"] or match["late"] or match["indexed"] or ""
        by_dtype.setdefault(dtype, {})[name] = match
    whole = {dtype: files for dtype, files in by_dtype.items() if any(not match["index"] for match in files.values())}
    dtype = next((wanted for wanted in (variant, *_DTYPES) if wanted in whole), next(iter(whole)))
    files = whole[dtype]
    single = sorted(name for name, match in files.items() if not match["shard"] and not match["index"])
    shards = sorted(name for name, match in files.items() if match["shard"] or match["index"])
    has_index = any(files[name]["index"] for name in shards)
    if single and (library == "transformers" or not has_index):
        return single[:1] if len({files[name]["stem"] for name in single}) == 1 else single
    return shards or single
