"""What each way to be faster gains on the starter, against the bare diffusers call in the same run.

    python bench/speed.py [--rounds 2] [--size 64] [--frames 9] [--steps 12] [--only tea,spectrum]

All ways run by turns, so that a busy machine slows them alike, and the best round of each counts: read the ratios, not
the seconds. "blocks" counts the transformer blocks that were run (what a machine of any speed saves), "PSNR" compares
the frames with those of the plain job. The prompt is encoded once a way; "new prompt" encodes it anew each round. With
the usual sizes it takes about two minutes on two quiet cores, a minute of which "compiled" compiles; the load of the
machine before and after is told.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from shared.core.contracts import LoadOptions, WindowRequest  # noqa: E402
from shared.diffusion.compiling import compile_blocks  # noqa: E402
from shared.diffusion.joint_passes import allow_joint_passes  # noqa: E402
from shared.engine.registry import Registry  # noqa: E402

PROMPT, SHIFT, GUIDANCE, SEED = "a big red ball moving right in front of a blue sky", 3.0, 4.5, 1

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "new prompt": {},
    "tea x 1.5": {"skip_steps_cache_type": "tea", "skip_steps_multiplier": 1.5},
    "tea x 2": {"skip_steps_cache_type": "tea", "skip_steps_multiplier": 2.0},
    "spectrum x 1.5": {"skip_steps_cache_type": "spectrum", "skip_steps_multiplier": 1.5},
    "spectrum x 2": {"skip_steps_cache_type": "spectrum", "skip_steps_multiplier": 2.0},
    "first_block x 1.5": {"skip_steps_cache_type": "first_block", "skip_steps_multiplier": 1.5},
    "first_block x 2": {"skip_steps_cache_type": "first_block", "skip_steps_multiplier": 2.0},
    "2/3 of the steps": {"steps": 2 / 3},
    "1/2 of the steps": {"steps": 1 / 2},
    "joint passes": {"joint": True},
    "guidance off below 0.5": {"guidance_phases": 2, "switch_threshold": 500, "guidance2_scale": 1.0},
    "projected guidance": {"apg_switch": 1},
    "negative attention": {"NAG_scale": 4.0, "guidance_scale": 1.0},
    "guidance off": {"guidance_scale": 1.0},
    "compiled": {},
}


@dataclass
class Way:
    """One way to do the job: how to run it, and what came of it."""

    run: Callable[[], np.ndarray | None]
    times: list[float] = field(default_factory=list)
    blocks: int = 0
    frames: np.ndarray | None = None


def main() -> int:
    """Run all ways by turns and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--only", default="", help="ways whose names begin so, separated by commas")
    options = parser.parse_args()
    wanted = tuple(options.only.split(",")) if options.only else ("",)
    names = [name for name in WAYS if name == "plain" or name.startswith(wanted)]
    ways, blocks = _ways(names, options)
    load = os.getloadavg()[0]
    for number in range(options.rounds + 1):
        for way in ways.values():
            blocks[0] = 0
            began = time.perf_counter()
            way.frames = way.run()
            if number:  # the first round warms up
                way.times.append(time.perf_counter() - began)
            way.blocks = blocks[0]
    _print(ways)
    print(f"load {load:.1f} to {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    return 0


def _ways(names: list[str], options: argparse.Namespace) -> tuple[dict[str, Way], list[int]]:
    registry = Registry(ROOT)
    model = registry.models()["starter"]
    handler = registry.handler(model)

    def load() -> Any:
        return handler.load(model, registry.roots(), LoadOptions())

    pipeline, blocks = load(), [0]
    compiled = load() if "compiled" in names else None
    if compiled is not None:
        compile_blocks(compiled.pipe, "transformer", "cpu")
    bare = diffusers.WanPipeline(**pipeline.pipe.components, expand_timesteps=True)
    bare.set_progress_bar_config(disable=True)
    for block in pipeline.pipe.transformer.blocks:
        block.register_forward_pre_hook(lambda *_: blocks.__setitem__(0, blocks[0] + 1))
    ways = {"bare diffusers": Way(lambda: _bare(bare, options))}
    for name in names:
        runner = compiled if name == "compiled" else pipeline
        ways[name] = Way(lambda runner=runner, name=name: _ours(runner, name, options))
    return ways, blocks


def _ours(pipeline: Any, name: str, options: argparse.Namespace) -> np.ndarray:
    settings = dict(WAYS[name])
    allow_joint_passes(pipeline.pipe, settings.pop("joint", False))
    steps = round(options.steps * settings.pop("steps", 1))
    prompt = f"{PROMPT} {time.perf_counter()}" if name == "new prompt" else PROMPT
    window = WindowRequest(
        prompt, options.size, options.size, options.frames, steps, settings.pop("guidance_scale", GUIDANCE), SEED,
        flow_shift=SHIFT, settings=settings,
    )  # fmt: skip
    return pipeline(window, lambda step: None, lambda: False).frames[0]


def _bare(pipe: Any, options: argparse.Namespace) -> np.ndarray:
    """The same work by diffusers alone: the opening picture, then the clip."""
    pipe.scheduler = diffusers.UniPCMultistepScheduler.from_config(pipe.scheduler.config, flow_shift=SHIFT)

    def call(num_frames: int, output_type: str) -> Any:
        return pipe(
            PROMPT, height=options.size, width=options.size, num_frames=num_frames, output_type=output_type,
            num_inference_steps=options.steps, guidance_scale=GUIDANCE, generator=torch.Generator().manual_seed(SEED),
        ).frames  # fmt: skip

    call(1, "latent")
    # diffusers 0.42.1 adds a frame where the VAE packs none in time.
    return (np.asarray(call(options.frames - 1, "np")[0]) * 255).round().astype(np.uint8)


def _print(ways: dict[str, Way]) -> None:
    bare, plain = min(ways["bare diffusers"].times), ways["plain"]
    print(f"{'':24s} {'best s':>8s} {'bare / it':>10s} {'blocks':>8s} {'PSNR dB':>8s}")
    for name, way in ways.items():
        best = min(way.times)
        quality = "" if way is plain or name in ("bare diffusers", "new prompt") else f"{_psnr(way, plain):8.1f}"
        print(f"{name:24s} {best:8.3f} {bare / best:10.2f} {way.blocks or '':>8} {quality:>8s}", flush=True)


def _psnr(way: Way, plain: Way) -> float:
    assert way.frames is not None and plain.frames is not None
    error = np.mean((way.frames.astype(float) - plain.frames) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-6)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
