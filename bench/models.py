"""What loading and switching models costs: time to load, to switch, memory that stays behind, the budget's accuracy.

    python bench/models.py [load] [switch] [growth] [budget] [--rounds 5] [--switches 100]

Works on the starter, whose weights come with the program, and on tiny checkpoints of random weights that it writes.
Medians are told, with the slowest. Limits: 32 MB more after the switches than after ten of them, no more networks
alive before a load than there were at the start; exit code 1 beyond a limit.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

Figure = tuple[str, float, float | None, str]
TINY = ("t2v", "t2v_2_2", "i2v")


def main() -> int:
    """Measure what is asked for; 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*MEASURES, []], metavar="WHAT", help="all, when none is named")
    parser.add_argument("--rounds", type=int, default=5, help="how often each time is taken")
    parser.add_argument("--switches", type=int, default=100, help="switches whose growth is watched")
    chosen = parser.parse_args()
    is_fine = True
    with tempfile.TemporaryDirectory(prefix="wangp_bench_") as folder:
        models = tiny_models(Path(folder))
        for name in chosen.what or MEASURES:
            for label, value, limit, unit in MEASURES[name](models, Path(folder), chosen):
                is_within = limit is None or value <= limit
                is_fine = is_fine and is_within
                bound = "" if limit is None else f"   limit {limit:g}{unit}   {'ok' if is_within else 'BROKEN'}"
                print(f"{label:52s} {value:8.3f}{unit}{bound}", flush=True)
    return 0 if is_fine else 1


def tiny_models(folder: Path) -> list[Any]:
    """The starter, and tiny checkpoints under `folder`."""
    import shared.diffusion  # noqa: F401  (before diffusers: it hushes what torchao says while it is imported)
    from tests.fakes.model_defs import wan_model
    from tests.fakes.tiny_wan import save

    for name in TINY:
        save(name, folder / name)
    return [registry().get("starter"), *(wan_model(name) for name in TINY)]


def measure_load(models: list[Any], folder: Path, chosen: argparse.Namespace) -> Iterator[Figure]:
    """From files on disk (in the system's cache) to a pipeline that can run; whole, and quantised."""
    for model in models:
        yield from told(f"load {model.model_type}", times(lambda model=model: load(model, folder), chosen.rounds))
    packed = quantised(models[0])
    yield "load starter in int8, the first time", times(lambda: load(packed, folder), 1)[0], None, " s"
    yield from told("load starter in int8, from its copy", times(lambda: load(packed, folder), chosen.rounds))


def measure_switch(models: list[Any], folder: Path, chosen: argparse.Namespace) -> Iterator[Figure]:
    """From one loaded model to another, the first one's memory given back before."""
    manager = new_manager(folder)
    manager.acquire(models[0], load_options())
    for first, second in ((models[0], models[1]), (models[1], models[0])):
        taken = []
        for _ in range(chosen.rounds):
            manager.acquire(first, load_options())
            taken += times(lambda second=second: manager.acquire(second, load_options()), 1)
        yield from told(f"switch {first.model_type} to {second.model_type}", taken)
    manager.acquire(models[1], load_options())
    again = times(lambda: manager.acquire(models[1], load_options()), chosen.rounds)
    yield "the same model again", statistics.median(again) * 1000, None, " ms"


def measure_growth(models: list[Any], folder: Path, chosen: argparse.Namespace) -> Iterator[Figure]:
    """What is left after many switches."""
    manager, process = new_manager(folder), psutil.Process()
    for switch in range(10):
        manager.acquire(models[switch % len(models)], load_options())
    manager.release()
    rss, alive, worst = process.memory_info().rss, networks_alive(), 0
    for switch in range(chosen.switches):
        manager.release()
        worst = max(worst, networks_alive() if switch % 20 == 0 else 0)
        manager.acquire(models[switch % len(models)], load_options())
    manager.release()
    grown = (process.memory_info().rss - rss) / 2**20
    yield f"memory more after {chosen.switches} switches", grown, 32, " MB"
    yield "networks alive before a load, more than at the start", float(worst - alive), 0, ""


def measure_budget(models: list[Any], folder: Path, chosen: argparse.Namespace) -> Iterator[Figure]:
    """What the budget of the starter says, in time and beside what its weights take once loaded."""
    from shared.core.weight_plan import Room
    from shared.diffusion.offload import weight_bytes
    from shared.engine.memory_budget import model_needs, shape_of

    roots, options = [str(ROOT / "ckpts"), str(folder)], load_options()
    needs = model_needs(models[0], roots, options)
    shape = shape_of({"resolution": "128x128", "video_length": 17, "guidance_scale": 4.0}, models[0])
    assert needs is not None and shape is not None
    budget = needs.budget(options, shape, Room(None, psutil.virtual_memory().total))
    parts = load(models[0], folder).components().values()
    yield "weights by the budget", budget.plan.device_bytes / 2**20, None, " MB"
    yield "weights once loaded", sum(weight_bytes(part) for part in parts) / 2**20, None, " MB"
    taken = times(lambda: model_needs(models[0], roots, options), chosen.rounds)
    yield "time to make a budget", statistics.median(taken) * 1000, None, " ms"


MEASURES: dict[str, Callable[[list[Any], Path, argparse.Namespace], Iterator[Figure]]] = {
    "load": measure_load,
    "switch": measure_switch,
    "growth": measure_growth,
    "budget": measure_budget,
}


def load_options() -> Any:
    """A CPU, everything as usual."""
    from shared.core.contracts import LoadOptions

    return LoadOptions()


def new_manager(folder: Path) -> Any:
    """The manager of the program over the tiny checkpoints and the starter."""
    from shared.engine.model_manager import ModelManager

    return ModelManager(registry(), [str(folder), str(ROOT / "ckpts")])


def load(model: Any, folder: Path) -> Any:
    """The model, by its family."""
    return registry().handler(model).load(model, [str(folder), str(ROOT / "ckpts")], load_options())


@cache
def registry() -> Any:
    """The program's models and families."""
    from shared.engine.registry import Registry

    return Registry(ROOT)


def quantised(model: Any) -> Any:
    """The same model in int8."""
    import dataclasses

    return dataclasses.replace(model, model={**model.model, "quantization": "int8"})


def times(action: Callable[[], Any], rounds: int) -> list[float]:
    """Seconds of each round."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return taken


def told(label: str, taken: list[float]) -> Iterator[Figure]:
    """The median and the slowest."""
    yield label, statistics.median(taken), None, " s"
    yield f"{label}, slowest of {len(taken)}", max(taken), None, " s"


def networks_alive() -> int:
    """Networks that Python still holds."""
    import torch

    gc.collect()
    return sum(isinstance(found, torch.nn.Module) for found in gc.get_objects())


if __name__ == "__main__":
    sys.exit(main())
