"""What the program adds to the bare model, to an empty page and to an idle machine.

    python bench/overhead.py [job] [memory] [server] [page] [--rounds 5]

Compared things run by turns in one process or beside each other, and medians are compared, so that a busy machine
slows both. Limits: a job through the queue 1.05 times the bare diffusers call; memory after 50 jobs 1.05 times that
after 5; the idle server 200 MB and 2 % of a core; the page 2 times an empty Gradio app. Exit code 1 beyond a limit.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PROMPT = "a big red ball moving right in front of a blue sky"
STEPS, SIZE, FRAMES, FPS, SHIFT, GUIDANCE = 20, 128, 17, 8, 3.0, 4.5
SETTLE_S, WATCH_S, START_S = 20.0, 20.0, 180.0

EMPTY_APP = """
import sys
import gradio as gr
with gr.Blocks() as app:
    gr.Markdown("")
app.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
"""


def main() -> int:
    """Measure what is asked for; 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*MEASURES, []], metavar="WHAT", help="all, when none is named")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of job and bare call")
    chosen = parser.parse_args()
    is_fine = True
    for name in chosen.what or MEASURES:
        for label, value, limit, unit in MEASURES[name](chosen.rounds):
            is_within = limit is None or value <= limit
            is_fine = is_fine and is_within
            bound = "" if limit is None else f"   limit {limit:g}{unit}   {'ok' if is_within else 'BROKEN'}"
            print(f"{label:48s} {value:8.3f}{unit}{bound}", flush=True)
    return 0 if is_fine else 1


Figure = tuple[str, float, float | None, str]


def measure_job(rounds: int) -> list[Figure]:
    """A job through the queue against the bare pipeline; decoding and mp4 included on both sides."""
    with tempfile.TemporaryDirectory() as folder:
        session, bare = _session(Path(folder)), _bare_pipeline(Path(folder))
        run = {"queue": lambda: _run(session, _settings(STEPS)), "bare": bare}
        for warm_up in run.values():
            warm_up()
        times: dict[str, list[float]] = {name: [] for name in run}
        for number in range(rounds):
            for name in list(run)[:: 1 if number % 2 else -1]:
                times[name].append(_seconds(run[name]))
        _close_runtime()
    queue, alone = (statistics.median(times[name]) for name in ("queue", "bare"))
    return [
        ("job through the queue, median", queue, None, " s"),
        ("bare diffusers call with mp4, median", alone, None, " s"),
        ("job / bare", queue / alone, 1.05, ""),
    ]


def measure_memory(_: int) -> list[Figure]:
    """Resident memory of a program after 5 and after 50 jobs."""
    with tempfile.TemporaryDirectory() as folder:
        session = _session(Path(folder))
        sizes = {}
        for number in range(1, 51):
            _run(session, _settings(2))
            if number in (5, 50):
                sizes[number] = psutil.Process().memory_info().rss / 1e6
        _close_runtime()
    return [
        ("memory after 5 jobs", sizes[5], None, " MB"),
        ("memory after 50 jobs", sizes[50], None, " MB"),
        ("after 50 / after 5", sizes[50] / sizes[5], 1.05, ""),
    ]


def measure_server(_: int) -> list[Figure]:
    """The server's own process, at rest, with its worker process beside it."""
    with _served() as (process, _address):
        time.sleep(SETTLE_S)
        server = psutil.Process(process.pid)
        server.cpu_percent()
        time.sleep(WATCH_S)
        cpu = server.cpu_percent()
        memory = server.memory_info().rss / 1e6
    return [("idle server, memory", memory, 200, " MB"), ("idle server, share of a core", cpu, 2, " %")]


def measure_page(_: int) -> list[Figure]:
    """The page's answer against that of an empty Gradio app, by turns."""
    port = _free_port()
    empty = subprocess.Popen([sys.executable, "-c", EMPTY_APP, str(port)], stdout=subprocess.DEVNULL)
    try:
        with _served() as (_process, address):
            addresses = {"page": address, "empty": f"http://127.0.0.1:{port}/"}
            _wait_for(addresses["empty"], empty)
            time.sleep(SETTLE_S)
            times: dict[str, list[float]] = {name: [] for name in addresses}
            for _ in range(40):
                for name, url in addresses.items():
                    times[name].append(_seconds(lambda url=url: _fetch(url)))
    finally:
        empty.terminate()
        empty.wait()
    page, nothing = (statistics.median(times[name]) * 1000 for name in ("page", "empty"))
    return [
        ("the page answers in, median", page, None, " ms"),
        ("an empty Gradio app answers in, median", nothing, None, " ms"),
        ("page / empty app", page / nothing, 2, ""),
    ]


MEASURES: dict[str, Callable[[int], list[Figure]]] = {
    "job": measure_job,
    "memory": measure_memory,
    "server": measure_server,
    "page": measure_page,
}


def _settings(steps: int) -> dict[str, Any]:
    return {
        "model_type": "starter",
        "prompt": PROMPT,
        "resolution": f"{SIZE}x{SIZE}",
        "video_length": FRAMES,
        "num_inference_steps": steps,
        "guidance_scale": GUIDANCE,
        "flow_shift": SHIFT,
        "seed": 1,
    }


def _session(folder: Path) -> Any:
    from shared.api import init

    return init(config_path=folder / "wgp_config.json", console_output=False)


def _run(session: Any, settings: dict[str, Any]) -> None:
    result = session.run_task(settings)
    assert result.success, result.errors


def _close_runtime() -> None:
    from shared.api import Runtime

    runtime = Runtime.current()
    if runtime is not None:
        runtime.close()


def _bare_pipeline(folder: Path) -> Callable[[], None]:
    """The same work by diffusers alone: the opening picture, the clip, an mp4 by the same encoder."""
    import diffusers
    import numpy as np
    import torch

    from shared.media.video import write_video

    pipe = diffusers.WanPipeline.from_pretrained(ROOT / "ckpts" / "starter", dtype=torch.float32)
    pipe.scheduler = diffusers.UniPCMultistepScheduler.from_config(pipe.scheduler.config, flow_shift=SHIFT)
    pipe.set_progress_bar_config(disable=True)

    def call(num_frames: int, output_type: str) -> Any:
        return pipe(
            PROMPT, height=SIZE, width=SIZE, num_frames=num_frames, num_inference_steps=STEPS, guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(1), output_type=output_type,
        ).frames  # fmt: skip

    def run() -> None:
        call(1, "latent")
        # diffusers 0.42.1 adds a frame where the VAE packs none in time.
        frames = call(FRAMES - 1, "np")[0]
        write_video((np.asarray(frames) * 255).round().astype("uint8"), folder / "bare.mp4", FPS)

    return run


@contextmanager
def _served() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The program serving its page, with a configuration of its own."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--config", folder, "--server-name", "127.0.0.1", "--server-port", str(port)]
        process = subprocess.Popen([sys.executable, str(ROOT / "wgp.py"), *flags], stderr=subprocess.DEVNULL)
        try:
            address = f"http://127.0.0.1:{port}/"
            _wait_for(address, process)
            yield process, address
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return _fetch(url)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    raise SystemExit(f"{url} does not answer.")


def _fetch(url: str) -> None:
    with urllib.request.urlopen(url, timeout=30) as answer:
        answer.read()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
