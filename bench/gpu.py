"""Full-size networks with random weights (their cost does not depend on the values), timed through this program.

    python bench/gpu.py --case wan13,wan14,ltx2,qwen,flux --mode bare,ours,cudnn,compile,tea [--out results.jsonl]
    python bench/gpu.py --case wan14 --mode profile1,profile2,profile4,profile5
    python bench/gpu.py --device cpu --layers 2 --scale 8        (a check without a card)

One JSON line a case and mode: seconds a pass (median of --repeats after --warm-up), the first pass apart, TFLOP/s and
the fraction of the card's own bf16 limit (a large product of matrices, measured at the start), host time until the
call returns, peak memory. "bare" is the diffusers network alone, "ours" the same with what the program puts around
each pass; the others add one thing each. `ours / bare` may be 1.02 at most, else the exit code is 1.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import diffusers  # noqa: E402
from diffusers import FlowMatchEulerDiscreteScheduler  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from shared.core.contracts import LoadOptions, WindowRequest  # noqa: E402
from shared.core.errors import WanGPError  # noqa: E402
from shared.core.model_def import ModelDef  # noqa: E402
from shared.diffusion.attention import set_attention  # noqa: E402
from shared.diffusion.compiling import compile_blocks  # noqa: E402
from shared.diffusion.offload import place  # noqa: E402
from shared.diffusion.passes import around_passes  # noqa: E402
from shared.diffusion.step_cache import step_cached  # noqa: E402

LIMIT = 1.02
CACHES = ("tea", "spectrum", "first_block")
STEPS = 20
BF16 = torch.bfloat16
WAN_13 = {"num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960, "num_layers": 30}

Pass = Callable[[], Any]
Case = Callable[["Bench"], tuple[torch.nn.Module, Pass]]


def main() -> int:
    """Measure what is asked for; 1 when we cost more than the limit allows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="wan13", help=", ".join(CASES))
    parser.add_argument("--mode", default="bare,ours", help=", ".join(MODES) + ", profile1 ... profile5")
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--layers", type=int, default=0, help="so many layers: for a check")
    parser.add_argument("--scale", type=int, default=1, help="divide width and height: for a check")
    parser.add_argument("--out", help="a file to append the lines to")
    bench = Bench(parser.parse_args())
    bare: dict[str, float] = {}
    is_fine = True
    for case in bench.options.case.split(","):
        for mode in bench.options.mode.split(","):
            line = bench.measure(case, mode)
            if mode == "bare" and "pass_s" in line:
                bare[case] = line["pass_s"]
            if mode == "ours" and case in bare and "pass_s" in line:
                line["ours_over_bare"] = line["pass_s"] / bare[case]
                is_fine = is_fine and line["ours_over_bare"] <= LIMIT
            bench.write(line)
    return 0 if is_fine else 1


class Bench:
    """The card, its limit, and how each line is made."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, torch.device(options.device)
        self.is_cuda = self.device.type == "cuda"
        self.limit = self._limit()

    def measure(self, case: str, mode: str) -> dict[str, Any]:
        """One line; an error is part of it."""
        name = torch.cuda.get_device_name(self.device) if self.is_cuda else "cpu"
        line: dict[str, Any] = {
            "case": case, "mode": mode, "device": name, "limit_tflops": self.limit / 1e12,
            "torch": torch.__version__, "diffusers": diffusers.__version__,
        }  # fmt: skip
        self._free()
        try:
            line |= self._timed(case, mode)
        except (RuntimeError, ValueError, TypeError, AssertionError, WanGPError) as exc:
            line["error"] = f"{type(exc).__name__}: {str(exc).strip()[:300]}"
        return line

    def write(self, line: dict[str, Any]) -> None:
        """Print a line, and keep it where that is asked."""
        text = json.dumps({key: round(value, 4) if isinstance(value, float) else value for key, value in line.items()})
        print(text, flush=True)
        if self.options.out:
            with Path(self.options.out).open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    def noise(self, *shape: int) -> torch.Tensor:
        """Random values in bf16."""
        return torch.randn(*shape, device=self.device, dtype=BF16)

    def network(self, kind: Any, **config: Any) -> torch.nn.Module:
        """A network of that class with random weights."""
        if self.options.layers:
            config["num_layers"] = self.options.layers
        network = self._empty(kind, config)
        generator = torch.Generator(self.device).manual_seed(0)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if weight.ndim > 1:
                    weight.normal_(0, 0.02, generator=generator)
                else:
                    weight.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        return network

    def _empty(self, kind: Any, config: dict[str, Any]) -> torch.nn.Module:
        """Built in bf16 on the device; tables that are computed at construction come out right."""
        default = torch.get_default_dtype()
        torch.set_default_dtype(BF16)
        try:
            with self.device, _no_init():
                network = kind(**config)
        finally:
            torch.set_default_dtype(default)
        return network.eval().requires_grad_(False)

    def _timed(self, case: str, mode: str) -> dict[str, Any]:
        began = time.perf_counter()
        network, call = CASES[case](self)
        built_s = time.perf_counter() - began
        weights = sum(weight.nbytes for weight in network.parameters())
        flops = _flops(call)
        if self.is_cuda:
            torch.cuda.reset_peak_memory_stats()
        with _mode(mode, network, call, str(self.device)) as timed, torch.no_grad():
            first_s, times, host = self._clock(timed, STEPS if mode in CACHES else self.options.repeats)
        # Of a cache only whole schedules count: some of their passes are skipped.
        pass_s = statistics.mean(times) if mode in CACHES else statistics.median(times)
        line = {
            "pass_s": pass_s, "first_s": first_s, "best_s": min(times), "host_s": statistics.median(host),
            "built_s": built_s, "weights_gb": weights / 1e9, "tflop": flops / 1e12, "tflops": flops / pass_s / 1e12,
            "of_limit": flops / pass_s / self.limit,
        }  # fmt: skip
        if self.is_cuda:
            line["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
            line["reserved_gb"] = torch.cuda.max_memory_reserved() / 1e9
        return line

    def _clock(self, call: Pass, repeats: int) -> tuple[float, list[float], list[float]]:
        times, host = [], []
        warm_up = STEPS if repeats == STEPS else 1 + self.options.warm_up
        for _ in range(warm_up + repeats):
            self._wait()
            began = time.perf_counter()
            call()
            host.append(time.perf_counter() - began)
            self._wait()
            times.append(time.perf_counter() - began)
        return times[0], times[warm_up:], host[warm_up:]

    def _limit(self) -> float:
        """FLOP/s of a large product of matrices in bf16."""
        side = 8192 if self.is_cuda else 256
        left, right = self.noise(side, side), self.noise(side, side)
        for _ in range(3):
            left @ right
        times = []
        for _ in range(10):
            self._wait()
            began = time.perf_counter()
            left @ right
            self._wait()
            times.append(time.perf_counter() - began)
        return 2 * side**3 / statistics.median(times)

    def _wait(self) -> None:
        if self.is_cuda:
            torch.cuda.synchronize(self.device)

    def _free(self) -> None:
        gc.collect()
        torch.compiler.reset()
        if self.is_cuda:
            torch.cuda.empty_cache()


def _flops(call: Pass) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops()


@contextmanager
def _no_init() -> Iterator[None]:
    """Layers are not filled twice: the usual initialisation of large layers takes minutes."""
    before = {kind: kind.reset_parameters for kind in (torch.nn.Linear, torch.nn.Conv2d, torch.nn.Conv3d)}
    for kind in before:
        kind.reset_parameters = lambda self: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        for kind, reset in before.items():
            kind.reset_parameters = reset  # type: ignore[method-assign]


@contextmanager
def _mode(mode: str, network: Any, call: Pass, device: str) -> Iterator[Pass]:
    """What is timed: a pass under `mode`."""
    pipe = _pipe(network)
    if mode.startswith("profile"):
        network.to("cpu")
        place(pipe, LoadOptions(device=device, profile=float(mode.removeprefix("profile"))))
    elif mode in ("sdpa", "cudnn", "flash", "flash3", "sage2", "auto"):
        set_attention(network, mode, device)
    elif mode == "compile" and not compile_blocks(pipe, "transformer", device):
        raise RuntimeError("the blocks could not be compiled")
    with ExitStack() as stack:
        if mode in CACHES:
            stack.enter_context(step_cached(pipe, _definition(mode), _window(mode), lambda step: None))
        elif mode != "bare":
            stack.enter_context(around_passes(pipe, lambda now: now.run()))
        yield call if mode == "bare" else _stepping(pipe, call)


def _stepping(pipe: Any, call: Pass) -> Pass:
    """Passes that walk through a schedule of STEPS steps again and again, so that caches know where they are."""
    place_in_schedule = iter(())

    def step() -> Any:
        nonlocal place_in_schedule
        index = next(place_in_schedule, None)
        if index is None:
            pipe.scheduler.set_timesteps(STEPS)
            place_in_schedule = iter(range(1, STEPS))
            index = 0
        pipe.scheduler.set_begin_index(index)
        return call()

    return step


def _pipe(network: Any) -> Any:
    """What the program's hooks need of a pipeline."""
    return SimpleNamespace(
        transformer=network, scheduler=FlowMatchEulerDiscreteScheduler(), components={"transformer": network}
    )


def _definition(kind: str) -> ModelDef:
    return ModelDef("bench", "bench", "bench", "bench", model={f"{kind}_cache": True})


def _window(kind: str) -> WindowRequest:
    settings = {"skip_steps_cache_type": kind, "skip_steps_multiplier": 2.0}
    return WindowRequest("", 64, 64, 1, STEPS, 1.0, 0, settings=settings)


def _wan(height: int, width: int, frames: int, **config: Any) -> Case:
    def build(bench: Bench) -> tuple[torch.nn.Module, Pass]:
        network, scale = bench.network(diffusers.WanTransformer3DModel, **config), 8 * bench.options.scale
        noise = bench.noise(1, 16, (frames - 1) // 4 + 1, height // scale // 2 * 2, width // scale // 2 * 2)
        text, t = bench.noise(1, 512, 4096), torch.full((1,), 500.0, device=bench.device)
        return network, lambda: network(noise, t, text, return_dict=False)[0]

    return build


def _ltx2(width: int, height: int, frames: int) -> Case:
    def build(bench: Bench) -> tuple[torch.nn.Module, Pass]:
        network = bench.network(diffusers.LTX2VideoTransformer3DModel, rope_type="split")
        scale, clips = 32 * bench.options.scale, (frames - 1) // 8 + 1
        rows, columns, sounds = height // scale, width // scale, int(frames / 24 * 25)
        video, sound = bench.noise(1, clips * rows * columns, 128), bench.noise(1, sounds, 128)
        text, mask = bench.noise(1, 1024, 3840), torch.ones(1, 1024, device=bench.device)
        t = torch.full((1,), 500.0, device=bench.device)
        return network, lambda: network(
            video, sound, text, text, timestep=t, encoder_attention_mask=mask, audio_encoder_attention_mask=mask,
            num_frames=clips, height=rows, width=columns, fps=24.0, audio_num_frames=sounds, return_dict=False,
        )  # fmt: skip

    return build


def _qwen(bench: Bench) -> tuple[torch.nn.Module, Pass]:
    network = bench.network(diffusers.QwenImageTransformer2DModel)
    side = 1328 // 16 // bench.options.scale
    noise, text = bench.noise(1, side * side, 64), bench.noise(1, 256, 3584)
    mask, t = torch.ones(1, 256, device=bench.device, dtype=torch.bool), torch.full((1,), 0.5, device=bench.device)
    return network, lambda: network(
        noise, text, mask, t.to(BF16), img_shapes=[[(1, side, side)]], return_dict=False
    )[0]  # fmt: skip


def _flux(bench: Bench) -> tuple[torch.nn.Module, Pass]:
    network = bench.network(diffusers.FluxTransformer2DModel, guidance_embeds=True)
    tokens = 4096 // bench.options.scale**2
    noise, text, pooled = bench.noise(1, tokens, 64), bench.noise(1, 512, 4096), bench.noise(1, 768)
    places, text_places = torch.zeros(tokens, 3, device=bench.device), torch.zeros(512, 3, device=bench.device)
    t = torch.full((1,), 0.5, device=bench.device, dtype=BF16)
    return network, lambda: network(noise, text, pooled, t, places, text_places, guidance=t, return_dict=False)[0]


CASES: dict[str, Case] = {
    "wan13": _wan(480, 832, 81, **WAN_13),
    "wan14": _wan(480, 832, 81),
    "wan14_720": _wan(720, 1280, 81),
    "ltx2": _ltx2(1216, 704, 121),
    "qwen": _qwen,
    "flux": _flux,
}
MODES = ("bare", "ours", "auto", "sdpa", "cudnn", "flash", "flash3", "sage2", "compile", *CACHES)

if __name__ == "__main__":
    sys.exit(main())
