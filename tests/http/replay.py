"""Golden conversations: requests to a service, what it must queue, how the task goes, and the replies it must give.

A file holds `flags` of the program and `steps` in order. A step sends a request and gives its reply (`send`, `reply`),
names settings of the newest queued task (`queued`), or plays what a worker would tell of the oldest one (`play`);
`meanwhile` plays it while the request of the same step is waiting; `submit` queues settings as a job of the service
"test".
In texts `$name` stands for a value: it is learnt where it first stands alone in a reply, and must be the same later;
`$any` is never learnt. `$picture:64x48` is a data URI of a picture of that size; `files` are data URIs or texts.
`has` in a reply names fields of it and leaves the others open. Replies name the host `testserver`.
"""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from PIL import Image

from shared.core.events import Event, Finished, Info, Output, Preview, Progress, Started
from shared.core.task import Task
from shared.http import server
from shared.http.context import ServiceContext
from tests.fakes.page_runtime import PageRuntime

GOLDEN = Path(__file__).parent / "golden"
_NAME = re.compile(r"\$(\w+)")
_PICTURE = re.compile(r"\$picture:(\d+)x(\d+)")


def conversations(service: str) -> list[Path]:
    """The golden files of a service."""
    return sorted((GOLDEN / service).glob("*.json"))


def picture_uri(width: int, height: int) -> str:
    """A picture as clients send it."""
    return "data:image/png;base64," + base64.b64encode(picture_bytes(width, height)).decode()


def picture_bytes(width: int, height: int, kind: str = "PNG") -> bytes:
    """A picture whose corners differ."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@dataclass
class Conversation:
    """A service over a queue that nothing runs, and what was learnt so far."""

    service: str
    folder: Path
    flags: tuple[str, ...] = ()
    known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runtime = PageRuntime(self.folder, self.flags)
        self.context = ServiceContext(self.runtime, self.runtime.args)
        dialect = next(dialect for dialect in server.find_dialects() if dialect.name == self.service)
        self.client = TestClient(server.make_app(dialect, self.context), raise_server_exceptions=False)

    def play_file(self, path: Path) -> None:
        """Play a golden file from its first step to its last."""
        for number, step in enumerate(json.loads(path.read_text(encoding="utf-8"))["steps"], start=1):
            try:
                self.step(step)
            except AssertionError as error:
                raise AssertionError(f"{path.name}, step {number}: {error}") from error

    def step(self, step: dict[str, Any]) -> None:
        """One step."""
        player = threading.Thread(target=self.play, args=(step.get("meanwhile"),))
        if "meanwhile" in step:
            player.start()
        if "send" in step:
            self._exchange(self.filled(step["send"]), step["reply"])
        if "meanwhile" in step:
            player.join(10)
        if "queued" in step:
            params = max(self.runtime.queue.tasks(), key=lambda task: task.id).params
            self.match({name: params.get(name) for name in step["queued"]}, step["queued"], "queued")
        if "submit" in step:
            self.context.jobs.submit("test", "picture", step["submit"], job_id=step["as"])
        if "play" in step:
            self.play(step["play"])

    def play(self, happenings: list[str]) -> None:
        """What a worker tells of the task that is next or running: `started`, `step 2/4`, `output image`, `done` ..."""
        task = self._task()
        for happening in happenings:
            self.runtime.queue.publish(self.event(task, happening))
        self._wait(task.client_id, happenings[-1].split()[0])

    def _task(self) -> Task:
        running = [task for task in self.runtime.queue.tasks() if task.status == "running"]
        task = running[0] if running else self.runtime.queue.take(timeout_s=5)
        assert task is not None, "no task waits"
        return task

    def event(self, task: Task, happening: str) -> Event:
        """What a worker would tell: `started`, `step 2/4`, `phase Encoding`, `preview`, `output image`, `done`."""
        ids = (task.id, task.client_id)
        word, _, rest = happening.partition(" ")
        match word:
            case "started":
                return Started(*ids, "cpu")
            case "step":
                done, total = map(int, rest.split("/"))
                return Progress(*ids, f"Denoising {rest}", "Denoising", done, total)
            case "phase":
                return Progress(*ids, rest, rest)
            case "preview":
                return Preview(*ids, picture_bytes(16, 16, "JPEG"))
            case "info":
                return Info(*ids, rest)
            case "output":
                return self._output(task, rest)
            case "done" | "failed" | "cancelled":
                return Finished(*ids, word, rest or None, "generation" if word == "failed" else None)
        raise AssertionError(f"{happening} cannot be played")

    def _output(self, task: Task, kind: str) -> Output:
        number = len(self.runtime.queue.outputs(task.id))
        folder = Path(task.api_options.get("output_dir") or self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        name = str(task.params.get("output_filename") or "result").replace("{number}", str(number))
        extension = {"video": "mp4", "image": task.params.get("image_format") or "png", "text": "txt"}[kind]
        path = folder / f"{name}.{extension}"
        path.write_bytes(picture_bytes(64, 48) if kind == "image" else b"clip")
        settings = {**task.params, "seed": int(task.params.get("seed") or 0) + number}
        return Output(task.id, task.client_id, str(path), "image" if kind == "text" else kind, settings, None, number)  # type: ignore[arg-type]

    def _wait(self, job_id: str, word: str) -> None:
        """Until the book of jobs has heard the last of it."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            job = self.context.jobs.get(job_id)
            if job is None or job.is_over or (word not in ("done", "failed", "cancelled") and job.version):
                time.sleep(0.02)
                return
            time.sleep(0.005)
        raise AssertionError(f"{job_id} was not heard of")

    def _exchange(self, send: dict[str, Any], expected: dict[str, Any]) -> None:
        options = {name: send[name] for name in ("headers", "json", "content", "params", "data") if name in send}
        if "files" in send:
            options["files"] = {name: _upload(text) for name, text in send["files"].items()}
        answer = self.client.request(send["method"], send["path"], follow_redirects=False, **options)
        assert answer.status_code == expected["status"], f"{answer.status_code} {answer.text[:500]}"
        for name, value in expected.get("headers", {}).items():
            self.match(answer.headers.get(name), value, name)
        if "json" in expected:
            self.match(answer.json(), expected["json"], "reply")
        if "has" in expected:
            found = answer.json()
            self.match({name: found.get(name) for name in expected["has"]}, expected["has"], "reply")
        if "picture" in expected:
            size = Image.open(io.BytesIO(answer.content)).size
            assert f"{size[0]}x{size[1]}" == expected["picture"], size
        if "text" in expected:
            self.match(answer.text, expected["text"], "reply")

    def match(self, found: Any, expected: Any, where: str) -> None:
        """Compare, learning what stands alone as `$name`."""
        if isinstance(expected, str) and (name := _NAME.fullmatch(expected)):
            if name[1] != "any":
                assert self.known.setdefault(name[1], found) == found, (
                    f"{where}: {found!r}, not {self.known[name[1]]!r}"
                )
        elif isinstance(expected, dict) and isinstance(found, dict):
            assert sorted(found) == sorted(expected), f"{where}: has {sorted(found)}, not {sorted(expected)}"
            for key, value in expected.items():
                self.match(found[key], value, f"{where}.{key}")
        elif isinstance(expected, list) and isinstance(found, list):
            assert len(found) == len(expected), f"{where}: {len(found)} entries, not {len(expected)}: {found!r:.300}"
            for number, value in enumerate(expected):
                self.match(found[number], value, f"{where}[{number}]")
        else:
            wanted = self.filled(expected)
            pattern = isinstance(wanted, str) and "$any" in wanted
            same = _like(found, wanted) if pattern else found == wanted
            assert same, f"{where}: {found!r:.300}, not {wanted!r}"

    def filled(self, value: Any) -> Any:
        """The value with what was learnt put in."""
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if not isinstance(value, str):
            return value
        text = _PICTURE.sub(lambda match: picture_uri(int(match[1]), int(match[2])), value)
        return _NAME.sub(lambda match: str(self.known.get(match[1], match[0])), text)

    def close(self) -> None:
        """End service and queue."""
        self.context.close()
        self.runtime.close()


class Painter:
    """A worker in a thread: plays the same happenings for every task; `settings` go into its results."""

    def __init__(self, conversation: Conversation, *happenings: str, settings: dict[str, Any] | None = None) -> None:
        self.conversation, self.happenings, self.settings = conversation, happenings, settings or {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more tasks."""
        self._ended.set()
        self._thread.join(5)

    def _run(self) -> None:
        queue = self.conversation.runtime.queue
        while not self._ended.is_set():
            task = queue.take(timeout_s=0.05)
            for happening in self.happenings if task is not None else ():
                event = self.conversation.event(task, happening)
                if isinstance(event, Output):
                    event.settings.update(self.settings)
                queue.publish(event)


def _upload(text: str) -> bytes:
    """The content of a file: what a data URI holds, else the text itself."""
    return base64.b64decode(text.partition(",")[2]) if text.startswith("data:") else text.encode()


def _like(found: Any, wanted: str) -> bool:
    parts = (re.escape(part) for part in wanted.split("$any"))
    return isinstance(found, str) and re.fullmatch("(?s:.*)".join(parts), found) is not None
