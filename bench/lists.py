"""How quick queue, gallery and models answer with a queue of 500 tasks and a history of 10,000 results.

    python bench/lists.py [--tasks 500] [--results 10000] [--rounds 100]

Starts the page over a fake engine (tests/fakes/page_program.py) in a process of its own, fills its folder, and asks
over one connection as the browser does. Prints median, 95th percentile and slowest answer of each question, the time
from a command to its event in an open window, and what the server takes of a core while windows are open and idle.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.core.task import Task
from shared.engine.history import HistoryStore
from shared.engine.queue import TaskQueue
from shared.media.video_write import write_video
from tests.fakes.served import Server

LIMIT_MS = 100.0
IDLE_S = 20.0
IDLE_WINDOWS = 5
SENTENCE = (
    "a red fox in deep snow at dawn cinematic light slow camera pan over old town bridge with lanterns rain on glass "
    "portrait of an astronaut gold leaf garden whale ocean storm paper boat forest path neon street market mountain"
)
WORDS = SENTENCE.split()


def fill(folder: Path, tasks: int, results: int) -> None:
    """A configuration folder with that many waiting tasks and results; the clips share one file's content."""
    chance = random.Random(5)
    clip = folder / "clip.mp4"
    write_video(np.zeros((9, 64, 64, 3), np.uint8), clip, 8)
    outputs = folder / "outputs"
    outputs.mkdir()
    history = HistoryStore(folder)
    rows = []
    for number in range(results):
        path = outputs / f"{number:05d}.mp4"
        os.link(clip, path)
        settings = _settings(chance, number) | {"generation_time": 20.0 + number % 7}
        rows.append((str(path), "video", settings["model_type"], settings["prompt"], number, json.dumps(settings),
                     1.7e9 + number * 600))  # fmt: skip
    with history._database.transaction() as connection:
        connection.executemany(
            "INSERT INTO outputs (path, media_type, model_type, prompt, seed, settings, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)", rows,
        )  # fmt: skip
    history.close()
    queue = TaskQueue(folder)
    queue.put([Task(_settings(chance, number) | {"prompt": f"slow {number}"}) for number in range(tasks)])
    queue.close()


def _settings(chance: random.Random, number: int) -> dict[str, Any]:
    """Settings as large as real ones."""
    model = chance.choice(["starter", "t2v_1.3B", "i2v_2_2", "flux_dev"])
    return {
        "model_type": model, "prompt": " ".join(chance.choices(WORDS, k=40)), "seed": number, "resolution": "832x480",
        "video_length": 81, "num_inference_steps": 30, **{f"setting_{index}": index * 1.5 for index in range(70)},
    }  # fmt: skip


class Connection:
    """One kept connection to the server."""

    def __init__(self, port: int) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str) -> Any:
        """The answer to a question."""
        return self._ask("GET", path)

    def post(self, path: str, **values: Any) -> Any:
        """The answer to a command."""
        return self._ask("POST", path, json.dumps(values), {"Content-Type": "application/json"})

    def _ask(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Any:
        self.http.request(method, "/wangp/" + path, body, headers or {})
        answer = self.http.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{path}: {answer.status} {content[:300]!r}")
        return json.loads(content) if answer.headers.get("content-type", "").startswith("application/json") else content


class Window:
    """An open event stream."""

    def __init__(self, port: int, name: str) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.http.request("GET", f"/wangp/events?window={name}")
        self.answer = self.http.getresponse()

    def message(self, kind: str) -> dict[str, Any]:
        """The next message of a kind."""
        while True:
            line = self.answer.readline()
            if line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line[6:])
                if found["kind"] == kind:
                    return found


def measure(name: str, rounds: int, act: Callable[[int], Any]) -> float:
    """Print how long an act takes; returns its 95th percentile in ms."""
    times = []
    for number in range(rounds):
        started = time.perf_counter()
        act(number)
        times.append((time.perf_counter() - started) * 1000)
    times.sort()
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    middle = statistics.median(times)
    sys.stdout.write(f"{name:34} median {middle:7.1f} ms   p95 {p95:7.1f} ms   most {times[-1]:7.1f} ms\n")
    sys.stdout.flush()
    return p95


def bench(server: Server, rounds: int, results: int) -> list[float]:
    """All questions and commands; their 95th percentiles."""
    ask = Connection(server.port)
    window = Window(server.port, "bench")
    first = window.message("queue")
    waiting = [task["id"] for task in first["tasks"] if task["status"] == "waiting"]
    shown = [one["id"] for one in ask.get("results?limit=60")["results"]]
    chance = random.Random(6)

    def move_and_hear(number: int) -> None:
        task = waiting[-1 - number % 50]
        ask.post("queue/move", id=task, before=waiting[number % 50])
        window.message("queue")

    settings = quote(json.dumps({"model_type": "starter", "resolution": "128x128", "video_length": 17}))
    acts: dict[str, Callable[[int], Any]] = {
        "gallery: first page": lambda number: ask.get("results?limit=60"),
        "gallery: a page far down": lambda number: ask.get(f"results?limit=60&offset={chance.randrange(results)}"),
        "gallery: search, many found": lambda number: ask.get(f"results?limit=60&words={chance.choice(WORDS)}"),
        "gallery: search, nothing found": lambda number: ask.get("results?limit=60&words=qqq%20zzz"),
        "gallery: search, not ASCII": lambda number: ask.get("results?limit=60&words=%C3%B6lbaum"),
        "gallery: one model, one month": lambda number: ask.get(
            f"results?limit=60&model=starter&since={1.7e9 + number * 1000}&until={1.7e9 + 2.6e6}"
        ),
        "gallery: models and trash": lambda number: ask.get("results/facets"),
        "gallery: details": lambda number: ask.get(f"results/{chance.choice(shown)}/details"),
        "gallery: comparison": lambda number: ask.get(f"results/{shown[0]}/compare/{shown[1 + number % 50]}"),
        "gallery: a thumbnail": lambda number: ask.get(f"results/{chance.choice(shown)}/thumbnail.jpg"),
        "gallery: mark a favourite": lambda number: ask.post("results/favourite", ids=[shown[0]], value=number % 2),
        "form: memory of a change": lambda number: ask.get("memory?settings=" + settings),
        "models: the list": lambda number: ask.get("models"),
        "queue: move, until it is seen": move_and_hear,
    }  # fmt: skip
    found = [measure(name, rounds, act) for name, act in acts.items()]
    window.http.close()
    return found


def idle_share(server: Server) -> float:
    """Percent of a core that the server takes while windows are open and nothing happens."""
    windows = [Window(server.port, f"idle{number}") for number in range(IDLE_WINDOWS)]
    for window in windows:
        window.message("progress")
    process = psutil.Process(server.process.pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(IDLE_S)
    used = sum(process.cpu_times()[:2]) - before
    for window in windows:
        window.http.close()
    return 100 * used / IDLE_S


def main() -> int:
    """Run it; exit code 1 when a 95th percentile is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=100)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wangp-bench-") as name:
        folder = Path(name)
        fill(folder, wanted.tasks, wanted.results)
        server = Server(folder, program=("-m", "tests.fakes.page_program"))
        try:
            Connection(server.port).post("queue/pause")
            found = bench(server, wanted.rounds, wanted.results)
            sys.stdout.write(f"idle with {IDLE_WINDOWS} windows: {idle_share(server):.2f} % of a core\n")
        finally:
            server.stop()
    sys.stdout.write(f"slowest 95th percentile: {max(found):.1f} ms (wanted: at most {LIMIT_MS:.0f} ms)\n")
    return int(max(found) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
