"""A small program for the kill tests: opens the queue of a folder and runs it until it is empty.

`python -m tests.engine.program FOLDER local|process|starter` (`starter`: the embedded model in a worker process)
"""

from __future__ import annotations

import sys
from pathlib import Path

from shared.core.events import Progress
from shared.core.task import ACTIVE_STATUSES
from shared.engine.executors.local import LocalExecutor
from shared.engine.executors.process import ProcessExecutor
from shared.engine.executors.spec import RunnerSpec
from shared.engine.queue import TaskQueue
from shared.engine.worker import Worker
from tests.fakes.runner import spec

ROOT = Path(__file__).resolve().parents[2]


def main(folder: Path, kind: str) -> None:
    queue = TaskQueue(folder)
    runner = spec(folder, queue.database_path)
    if kind == "starter":
        outputs, database = str(folder / "outputs"), str(queue.database_path)
        runner = RunnerSpec(str(ROOT), str(folder), outputs, database)
    executor = LocalExecutor(runner) if kind == "local" else ProcessExecutor(runner)
    worker = Worker(queue, executor)
    subscription = queue.subscribe()
    sys.stdout.write("open\n")
    sys.stdout.flush()
    worker.start()
    while any(task.status in ACTIVE_STATUSES for task in queue.tasks()):
        event = subscription.get(300)
        assert event is not None
        if isinstance(event, Progress) and event.step is not None:
            sys.stdout.write("working\n")
            sys.stdout.flush()
    worker.stop()
    queue.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
