"""Which files a model needs: what its definition says about weights, read without torch and without the network.

A definition points at weights in two ways, alone or together: `repo` (a Hugging Face repository in diffusers' layout)
and `URLs` with its relatives (single files that stand for one part; several of one list are variants of each other).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from shared.core.checkpoints import checkpoint_folder
from shared.core.contracts import LoadOptions, ModelFile
from shared.core.errors import ModelNotFound
from shared.core.lora_files import LoraFolder, split_url, url_target
from shared.core.model_folder import COMMON_NAMES, ELSEWHERE

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

PIPELINE = "pipeline"
CHECKPOINT = "checkpoint"
# Each key of a definition and the part that its file stands for; `main_part` of the definition renames the first.
PART_KEYS = (
    ("URLs", "transformer"),
    ("URLs2", "transformer_2"),
    ("text_encoder_URLs", "text_encoder"),
    ("VAE_URLs", "vae"),
)
# Lower-case tokens of a file name that tell a quantised file from a plain one.
QUANTISATION_TOKENS = (
    "int8",
    "fp8",
    "int4",
    "nf4",
    "fp4",
    "quanto",
    "gguf",
    "q8_0",
    "q6_k",
    "q5_",
    "q4_",
    "q3_",
    "q2_",
)
_HUB = re.compile(r"/(?P<repo>[\w.-]+/[\w.-]+)/(?:resolve|blob|raw)/(?P<revision>[^/]+)/(?P<name>.+)")
_HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_LORA_FOLDER_TOKEN = "%lora_dir"


def model_files(model: ModelDef, options: LoadOptions | None = None) -> list[ModelFile]:
    """The files that a model needs under the checkpoint roots, the diffusers folder first.

    `options` choose among variants by quantisation and dtype. Raises ModelNotFound for an address or path that cannot
    be used.
    """
    chosen = options or LoadOptions()
    parts = [file for key, part in PART_KEYS for file in _part_files(model, key, part, chosen)]
    extra = list(_extra_parts(model))
    others = [
        *(_file(model, entry, "module") for entry in _modules(model, chosen)),
        *(_file(model, entry, "preload") for entry in _entries(model.get("preload_URLs"))),
    ]
    replaced = ["*" if file.role == CHECKPOINT else file.role for file in parts]
    replaced += [file.role for file in extra]
    return [*_folder(model, tuple(dict.fromkeys(replaced))), *parts, *extra, *others]


def every_file(model: ModelDef) -> list[ModelFile]:
    """All that the definition names, every variant too. Raises ModelNotFound as `model_files`."""
    roles = {file.path: file for file in model_files(model)}
    for key, part in PART_KEYS:
        for entry in _entries(model.get(key)):
            file = _file(model, entry, part)
            roles.setdefault(file.path, file)
    for module in _listed(model.get("modules")):
        for entry in _entries(module):
            file = _file(model, entry, "module")
            roles.setdefault(file.path, file)
    return list(roles.values())


def has_folder(model: ModelDef) -> bool:
    """Whether the model has a diffusers folder: always, but for one that is a single file and names no other place."""
    is_named = bool(model.get("repo") or model.get("folder"))
    return is_named or not _entries(model.get("URLs"))


def pick_variant(entries: Sequence[str], quantisation: str = "", dtype: str = "") -> str:
    """The one of several files of the same weights that suits: by quantisation token, then by dtype token.

    Asked for "int8" or "fp8", the other of the two is next best; asked for none, a file without any token is. Where
    no file has the token, the first is taken.
    """
    names = {entry: posixpath.basename(entry.split("|")[0].replace("\\", "/")).lower() for entry in entries}
    candidates = _of_quantisation(names, quantisation.lower()) or list(entries)
    token = "fp16" if dtype.lower() in ("fp16", "float16", "half") else "bf16"
    of_dtype = [entry for entry in candidates if token in names[entry]]
    return (of_dtype or candidates)[0]


def _of_quantisation(names: dict[str, str], wanted: str) -> list[str]:
    plain = [entry for entry, name in names.items() if not any(token in name for token in QUANTISATION_TOKENS)]
    if wanted in ("", "none", "no", "bf16", "fp16"):
        return plain
    order = (wanted, *(token for token in ("int8", "fp8") if wanted in ("int8", "fp8") and token != wanted))
    for token in order:
        found = [entry for entry, name in names.items() if token in name]
        if found:
            return found
    return plain


def file_from_entry(entry: str, *, role: str = "", folder: str = "") -> ModelFile:
    """The file behind one entry of a definition: an address, a path, or `address|folder`.

    It lies in `folder` under a root, one with a name that many use in a folder named as its repository. Raises
    ModelNotFound for an address that is not http or https, or a path that leads out of the roots.
    """
    address, _, subfolder = entry.strip().partition("|")
    folder = _clean_folder(subfolder.strip() or folder, entry)
    if "://" not in address:
        return ModelFile(_local_path(address, folder, entry), role=role)
    parts = urlsplit(address)
    name = posixpath.basename(unquote(parts.path))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ModelNotFound(f'"{entry}" is not an address that can be used. Give https://host/path/file.safetensors.')
    if not name or name in (".", ".."):
        raise ModelNotFound(f'"{entry}" names no file.')
    found = _HUB.fullmatch(unquote(parts.path)) if parts.hostname in _HUB_HOSTS else None
    if found is None:
        path = _place(folder, name, parts.hostname)
        return ModelFile(path, url=address, name=name, role=role)
    inner = _clean_folder(found["name"], entry)
    path = _place(folder, name, posixpath.join(found["repo"].rsplit("/", 1)[-1], posixpath.dirname(inner)))
    return ModelFile(path, repo=found["repo"], revision=_revision(found["revision"]), name=inner, role=role)


def lora_file(entry: str, folder: LoraFolder) -> ModelFile:
    """The file of a LoRA that is an address (or `address|folder`), at its absolute place in the model's LoRA folder.

    Raises ModelNotFound as `file_from_entry`.
    """
    origin = file_from_entry(split_url(entry)[0])
    path = (folder.path / url_target(entry)).as_posix()
    return replace(origin, path=path, name=origin.name or posixpath.basename(path), role="lora")


def _folder(model: ModelDef, replaced: tuple[str, ...]) -> list[ModelFile]:
    if not has_folder(model):
        return []
    folder = checkpoint_folder(model)
    try:
        path = _local_path(folder, "", folder)
    except ModelNotFound as exc:
        raise ModelNotFound(f"{model.model_type}: {exc}") from exc
    return [
        ModelFile(
            path,
            repo=str(model.get("repo") or ""),
            revision=_revision(str(model.get("revision") or "")),
            name=".",
            role=PIPELINE,
            without=replaced,
            variant=str(model.get("variant") or ""),
        )
    ]


def _part_files(model: ModelDef, key: str, part: str, options: LoadOptions) -> list[ModelFile]:
    entries = _entries(model.get(key))
    if not entries:
        return []
    is_text = part == "text_encoder"
    entry = pick_variant(entries, options.text_encoder_quantization if is_text else options.quantization, options.dtype)
    role = str(model.get("main_part") or part) if key == "URLs" else part
    return [_file(model, entry, role)]


def _extra_parts(model: ModelDef) -> Iterable[ModelFile]:
    """The parts that `extra_parts` of the definition places elsewhere: {part: {repo, folder, subfolder, file}}."""
    parts = model.get("extra_parts")
    for part, place in parts.items() if isinstance(parts, Mapping) else ():
        repo = str(place.get("repo") or "")
        folder = str(place.get("folder") or repo.rsplit("/", 1)[-1] or part)
        inner = posixpath.join(str(place.get("subfolder") or ""), str(place.get("file") or "")).strip("/")
        path = _local_path(posixpath.join(folder, _clean_folder(inner, inner)), "", folder)
        revision = _revision(str(place.get("revision") or ""))
        yield ModelFile(path, repo=repo, revision=revision, name=inner or ".", role=ELSEWHERE + part)


def _file(model: ModelDef, entry: str, role: str) -> ModelFile:
    folder = str(model.get("text_encoder_folder") or "") if role == "text_encoder" else ""
    try:
        file = file_from_entry(entry, role=role, folder=folder)
    except ModelNotFound as exc:
        raise ModelNotFound(f"{model.model_type}: {exc}") from exc
    checksums = model.get("sha256")
    known = str(checksums.get(posixpath.basename(file.path)) or "") if isinstance(checksums, dict) else ""
    return replace(file, sha256=known.lower()) if known else file


def _modules(model: ModelDef, options: LoadOptions) -> Iterable[str]:
    """One file a module; a module is a list of variants or a single entry."""
    for module in _listed(model.get("modules")):
        entries = _entries(module)
        if entries:
            yield pick_variant(entries, options.quantization, options.dtype)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else _entries(value)


def _entries(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value.strip() else []
    return [str(entry) for entry in value if str(entry).strip()] if isinstance(value, (list, tuple)) else []


def _revision(revision: str) -> str:
    return "" if revision == "main" else revision


def _place(folder: str, name: str, origin: str) -> str:
    """Where a file goes: beside the others of its root; in the folder of its origin when many share its name."""
    if folder or not COMMON_NAMES.fullmatch(name):
        return posixpath.join(folder, name)
    return posixpath.join(origin, name)


def _clean_folder(folder: str, entry: str) -> str:
    folder = folder.replace("\\", "/").replace(_LORA_FOLDER_TOKEN, "loras").strip("/")
    parts = folder.split("/")
    if ".." in parts or "\x00" in folder or re.match(r"[A-Za-z]:", folder):
        raise ModelNotFound(f'"{entry}" leads out of its folder and is refused.')
    return "/".join(part for part in parts if part not in ("", "."))


def _local_path(address: str, folder: str, entry: str) -> str:
    path = address.strip().replace("\\", "/")
    if not path:
        raise ModelNotFound(f'"{entry}" names no file.')
    if path.startswith("/") or re.match(r"[A-Za-z]:/", path):
        return path
    inner = _clean_folder(path, entry)
    if not inner:
        raise ModelNotFound(f'"{entry}" names no file or folder.')
    return posixpath.join(folder, inner)
