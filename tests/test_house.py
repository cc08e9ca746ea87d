"""The rules of the house as tests: who may import whom, and how large a part may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_ARGUMENTS = 8

# (file, function): more arguments than the ceiling, because they are a published contract. Only ever gets shorter.
MANY_ARGUMENTS: set[tuple[str, str]] = {
    ("shared/session/session.py", "__init__"),
    ("shared/session/session.py", "list_model_defs"),
    ("shared/session/session.py", "submit_media_postprocessing"),
    ("shared/session/session.py", "submit_audio_remux"),
    ("shared/session/session.py", "submit_audio_postprocessing"),
    ("shared/api.py", "init"),
}

# room -> (floor, rooms of the project it may import). A room may always import itself.
ROOMS: dict[str, tuple[int, set[str]]] = {
    "shared/core": (0, set()),
    "shared/media": (1, {"shared/core"}),
    "shared/diffusion": (1, {"shared/core"}),
    "models": (2, {"shared/core", "shared/media", "shared/diffusion"}),
    "shared/engine": (3, {"shared/core", "shared/media", "shared/diffusion", "models"}),
    "shared/session": (4, {"shared/core", "shared/media", "shared/engine"}),
    "shared/api.py": (4, {"shared/core", "shared/engine", "shared/session"}),
    "shared/ui": (5, {"shared/core", "shared/media", "shared/api.py"}),
    "shared/http": (5, {"shared/core", "shared/media", "shared/api.py"}),
    "shared/cli.py": (5, {"shared/core", "shared/media", "shared/api.py"}),
    "plugins": (6, {"shared/core", "shared/media", "shared/api.py", "shared/ui", "shared/utils"}),
    "shared/utils": (6, {"shared/core", "shared/media", "shared/engine", "shared/api.py", "shared/ui"}),
    "wgp.py": (7, {"shared/core", "shared/api.py", "shared/ui", "shared/http", "shared/cli.py", "shared/session"}),
}

THIRD_PARTY: dict[str, set[str]] = {
    "shared/core": set(),
    "shared/media": {"PIL", "numpy", "cv2", "av", "mutagen"},
    "shared/diffusion": {
        "torch",
        "diffusers",
        "transformers",
        "accelerate",
        "mmgp",
        "torchao",
        "peft",
        "PIL",
        "numpy",
        "cv2",
        "safetensors",
        "psutil",
    },
    "models": {"torch", "diffusers", "transformers", "PIL", "numpy", "safetensors", "huggingface_hub"},
    "shared/engine": {"huggingface_hub", "httpx2", "ray", "numpy", "PIL", "filelock", "psutil", "torch"},
    "shared/session": {"PIL", "numpy"},
    "shared/api.py": set(),
    "shared/ui": {"gradio", "fastapi", "uvicorn", "starlette", "PIL", "numpy"},
    "shared/http": {"fastapi", "pydantic", "uvicorn", "starlette"},
    "shared/cli.py": {"tqdm"},
    "wgp.py": set(),
}

TORCH_ROOMS = ("shared/diffusion/", "shared/engine/executors/")


def python_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True
    )
    return [name for name in listed.stdout.split() if (ROOT / name).is_file()]


PROGRAM = [name for name in python_files() if name.startswith(("shared/", "models/", "plugins/")) or name == "wgp.py"]


@cache
def parse(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), name)


def room_of(name: str) -> str | None:
    """The room a file belongs to; `shared/__init__.py` belongs to none."""
    for room in ROOMS:
        if name == room or name.startswith(room + "/"):
            return room
    return None


def is_type_checking(node: ast.If) -> bool:
    return "TYPE_CHECKING" in ast.dump(node.test)


def imported_names(tree: ast.AST, package: str, *, module_level_only: bool = False) -> set[str]:
    """Absolute dotted names that a file imports, those for type checkers left out."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and is_type_checking(node):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join(parents[: len(parents) - node.level + 1] + ([base] if base else []))
            found |= {f"{base}.{alias.name}" for alias in node.names}
        elif module_level_only and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        else:
            found |= imported_names(node, package, module_level_only=module_level_only)
    return found


def package_of(name: str) -> str:
    parts = name.removesuffix(".py").split("/")
    return ".".join(parts[:-1])


def project_file(dotted: str) -> str | None:
    """The project's file behind a dotted name (`a.b.c` may be a module or a name in `a.b`)."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        stem = "/".join(parts[:length])
        for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
            if (ROOT / candidate).is_file():
                return candidate
    return None


def family_of(name: str) -> str:
    return name.split("/")[1] if name.startswith("models/") and name.count("/") > 1 else ""


@pytest.mark.parametrize("name", PROGRAM)
def test_imports_go_down_the_floors(name: str) -> None:
    room = room_of(name)
    if room is None:
        return
    floor, allowed = ROOMS[room]
    wrong = []
    for dotted in imported_names(parse(name), package_of(name)):
        target = project_file(dotted)
        if target is None or not target.startswith(("shared/", "models/", "plugins/", "wgp")):
            top = dotted.split(".")[0]
            if top not in sys.stdlib_module_names and room in THIRD_PARTY and top not in THIRD_PARTY[room]:
                wrong.append(f"{top} (third party) is not for {room}")
            continue
        other = room_of(target)
        if other in (room, None):
            if family_of(name) and family_of(target) not in ("", family_of(name)):
                wrong.append(f"family {family_of(target)} from family {family_of(name)}")
        elif other not in allowed or ROOMS[other][0] > floor:
            wrong.append(f"{target} ({other}) from {room}")
    assert not wrong, f"{name}: {sorted(set(wrong))}"


def test_families_are_imported_by_the_registry_alone() -> None:
    users = {
        name
        for name in PROGRAM
        if room_of(name) == "shared/engine"
        and any(dotted.split(".")[0] == "models" for dotted in imported_names(parse(name), package_of(name)))
    }
    assert users <= {"shared/engine/registry.py"}


@pytest.mark.parametrize("name", PROGRAM)
def test_torch_is_imported_at_module_level_only_where_models_run(name: str) -> None:
    heavy = {
        dotted.split(".")[0] for dotted in imported_names(parse(name), package_of(name), module_level_only=True)
    } & {"torch", "diffusers", "transformers", "mmgp", "peft"}
    may = name.startswith(TORCH_ROOMS) or (name.startswith("models/") and "pipeline" in name)
    assert not heavy or may, f"{name} imports {sorted(heavy)} at module level"


def test_mmgp_has_one_importer() -> None:
    users = {n for n in PROGRAM if any(d.split(".")[0] == "mmgp" for d in imported_names(parse(n), package_of(n)))}
    assert users <= {"shared/diffusion/offload.py"}


def test_modules_have_no_import_cycle() -> None:
    graph = {
        name: {
            target
            for dotted in imported_names(parse(name), package_of(name), module_level_only=True)
            if (target := project_file(dotted)) in set(PROGRAM) and target != name
        }
        for name in PROGRAM
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*path, name))
            done.add(name)

    for name in PROGRAM:
        visit(name, ())


@pytest.mark.parametrize("name", python_files())
def test_files_stay_small(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_FILE_LINES, f"{name} has {lines} lines"


@pytest.mark.parametrize("name", python_files())
def test_functions_stay_small(name: str) -> None:
    for node in ast.walk(parse(name)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            assert size <= MAX_FUNCTION_LINES, f"{name}:{node.lineno} {node.name} has {size} lines"
            count = len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])
            count -= bool(node.args.args and node.args.args[0].arg in ("self", "cls"))
            if (name, node.name) not in MANY_ARGUMENTS:
                assert count <= MAX_ARGUMENTS, f"{name}:{node.lineno} {node.name} takes {count} arguments"


@pytest.mark.parametrize("name", PROGRAM)
def test_nothing_prints_but_the_command_line(name: str) -> None:
    if name == "shared/cli.py":
        return
    for node in ast.walk(parse(name)):
        is_print = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        assert not is_print, f"{name}:{node.lineno} prints"


@pytest.mark.parametrize("name", PROGRAM)
def test_no_bare_except_and_no_star_import(name: str) -> None:
    for node in ast.walk(parse(name)):
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{name}:{node.lineno} bare except"
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), f"{name}:{node.lineno} import *"


@pytest.mark.parametrize("name", [n for n in PROGRAM if n != "shared/core/state.py"])
def test_state_keys_are_spelled_in_one_file(name: str) -> None:
    for node in ast.walk(parse(name)):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == "gen":
            pytest.fail(f'{name}:{node.lineno} spells ["gen"]; use the views of shared/core/state.py')
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "gen":
            pytest.fail(f"{name}:{node.lineno} spells a key of gen; use GenState")


@pytest.mark.parametrize("name", python_files())
def test_nothing_is_left_undone(name: str) -> None:
    if name == "tests/test_house.py":
        return
    found = re.search(r"\b(TODO|FIXME|XXX)\b|NotImplementedError", (ROOT / name).read_text(encoding="utf-8"))
    assert found is None, f"{name}: {found.group(0) if found else ''}"


@pytest.mark.parametrize("module", ["shared.api", "shared.cli", "shared.http.server", "wgp"])
def test_doors_load_no_heavy_library(module: str) -> None:
    heavy = ("torch", "diffusers", "transformers", "gradio")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_every_setting_is_described() -> None:
    from shared.core.settings import DECLARATIONS

    for name, param in DECLARATIONS.items():
        assert param.label and param.help, f"{name} lacks a label or help"


def test_every_shipped_definition_is_sound() -> None:
    from shared.engine.registry import Registry

    registry = Registry(ROOT)
    assert not registry.broken
    for model in registry.models().values():
        params = registry.params(model)
        settings = {**model.defaults, "prompt": "a red ball"}
        problems = [params[key].check(value) for key, value in settings.items() if key in params]
        assert not [problem for problem in problems if problem], model.model_type


def test_every_family_has_a_contract_test() -> None:
    families = {p.parent.name for p in ROOT.glob("models/*/__init__.py")}
    tested = {p.stem.removeprefix("test_") for p in ROOT.glob("tests/models/test_*.py")}
    assert families <= tested, f"no contract test for {sorted(families - tested)}"


def test_every_flag_is_in_the_documentation() -> None:
    from shared.cli import build_parser

    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "docs").glob("*.md"))
    flags = {f for action in build_parser()._actions for f in action.option_strings if f.startswith("--")}
    missing = {flag for flag in flags if flag not in text}
    assert not missing, f"flags without a line in docs/: {sorted(missing)}"


def test_no_two_test_files_have_one_name() -> None:
    """pytest imports test files by their base name: two of one name stop a run of the whole suite."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert not {name for name in names if names.count(name) > 1}
