"""What a diffusers pipeline takes and gives, read from diffusers' source: nothing of it is imported, so no torch."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

_RESULT_FIELDS = ("frames", "images", "audios", "audio", "videos", "video")
_MEDIA = frozenset({"image", "mask_image", "control_image", "last_image", "video"})
_CLASS_LINE = re.compile(r"^class (\w+)\(", re.MULTILINE)


@dataclass(frozen=True)
class Argument:
    """An argument of a pipeline's `__call__`: `default` is None where it is no plain value, `annotation` its text."""

    name: str
    default: Any = None
    annotation: str = ""
    is_required: bool = False
    help: str = ""


@dataclass(frozen=True)
class PipelineSignature:
    """`arguments` of `__call__` by name, `results` the fields of what it returns ("frames", "images", "audios").

    `facts` are the whole numbers that `__init__` sets for a checkpoint that says nothing else (the VAE's scales).
    `example_fps` is the speed at which diffusers' own example saves a clip.
    """

    name: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    results: frozenset[str] = frozenset()
    facts: Mapping[str, int] = field(default_factory=dict)
    example_fps: int | None = None

    def __contains__(self, argument: str) -> bool:
        return argument in self.arguments

    def default(self, argument: str) -> Any:
        """The default of an argument; None where there is none."""
        found = self.arguments.get(argument)
        return None if found is None else found.default

    def requires(self, argument: str) -> bool:
        """Whether a call without this argument fails."""
        found = self.arguments.get(argument)
        return found is not None and found.is_required


@lru_cache(maxsize=64)
def read_signature(class_name: str) -> PipelineSignature | None:
    """The signature of a pipeline class of diffusers; None where diffusers has no such class."""
    source = _source_of(class_name)
    if source is None:
        return None
    tree = ast.parse(source)
    node = _class(tree, class_name)
    call, init = _method(node, "__call__"), _method(node, "__init__")
    if call is None:
        inherited = _inherited(node)
        return None if inherited is None else PipelineSignature(class_name, **_without_name(inherited))
    fps = re.search(r"export_to_video\([^)]*fps=(\d+)", source)
    return PipelineSignature(
        name=class_name,
        arguments={argument.name: argument for argument in _arguments(call)},
        results=frozenset(_results(call)),
        facts=dict(_facts(init)) if init is not None else {},
        example_fps=int(fps.group(1)) if fps else None,
    )


@lru_cache(maxsize=1)
def _classes() -> Mapping[str, Path]:
    """The file of every class under diffusers' pipelines."""
    spec = importlib.util.find_spec("diffusers")
    if spec is None or not spec.submodule_search_locations:
        return {}
    folder = Path(spec.submodule_search_locations[0]) / "pipelines"
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("pipeline*.py")):
        for name in _CLASS_LINE.findall(path.read_text(encoding="utf-8")):
            found.setdefault(name, path)
    return found


def _source_of(class_name: str) -> str | None:
    path = _classes().get(class_name)
    return None if path is None else path.read_text(encoding="utf-8")


def _class(tree: ast.Module, name: str) -> ast.ClassDef:
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    methods = (part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == name)
    return next(methods, None)


def _inherited(node: ast.ClassDef) -> PipelineSignature | None:
    bases = (base.id for base in node.bases if isinstance(base, ast.Name) and base.id != "DiffusionPipeline")
    return next((found for found in map(read_signature, bases) if found is not None), None)


def _without_name(signature: PipelineSignature) -> dict[str, Any]:
    return {key: value for key, value in vars(signature).items() if key != "name"}


def _arguments(call: ast.FunctionDef) -> Iterator[Argument]:
    positional = call.args.args[1:]
    missing = object()
    defaults: list[Any] = [missing] * (len(positional) - len(call.args.defaults)) + list(call.args.defaults)
    helps = _helps(ast.get_docstring(call) or "")
    pairs = [*zip(positional, defaults, strict=False), *zip(call.args.kwonlyargs, call.args.kw_defaults, strict=False)]
    for argument, default in pairs:
        yield Argument(
            argument.arg,
            None if default is missing else _literal(default),
            ast.unparse(argument.annotation) if argument.annotation is not None else "",
            default is missing or _is_needed(argument),
            helps.get(argument.arg, ""),
        )


def _is_needed(argument: ast.arg) -> bool:
    """Pictures that must be given have None as their default, but an annotation that does not allow it."""
    annotation = ast.unparse(argument.annotation) if argument.annotation is not None else "None"
    return argument.arg in _MEDIA and "None" not in annotation and "Optional" not in annotation


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return None
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _helps(docstring: str) -> dict[str, str]:
    """The first sentence on each argument."""
    found: dict[str, str] = {}
    pattern = re.compile(r"^\s*(\w+) \([^\n]*\):\n((?:\s+[^\n]+\n?)+?)(?=^\s*\w+ \(|\Z|^\s*\w+:)", re.MULTILINE)
    for name, text in pattern.findall(docstring):
        words = " ".join(text.split())
        found[name] = re.split(r"(?<=[.;])\s", words, maxsplit=1)[0][:240]
    return found


def _results(call: ast.FunctionDef) -> Iterator[str]:
    """Keywords with which the call builds its output."""
    for node in ast.walk(call):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Output"):
            yield from (keyword.arg for keyword in node.keywords if keyword.arg in _RESULT_FIELDS)


def _facts(init: ast.FunctionDef) -> Iterator[tuple[str, int]]:
    """`self.name = 8` and `self.name = ... if ... else 8`."""
    for node in ast.walk(init):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Attribute):
            continue
        value = node.value.orelse if isinstance(node.value, ast.IfExp) else node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, int):
            yield node.targets[0].attr, value.value
