"""A service on a real port, over a queue whose tasks a thread plays to their end."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import TracebackType

import uvicorn

from tests.http.replay import Conversation


class ServedConversation(Conversation):
    """`happenings` are played for each task that comes; none: tasks wait."""

    def __init__(
        self, service: str, folder: Path, flags: tuple[str, ...] = (), happenings: tuple[str, ...] = ()
    ) -> None:
        super().__init__(service, folder, flags)
        self._happenings, self._is_over = list(happenings), threading.Event()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.address = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        config = uvicorn.Config(self.client.app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True).start()
        if happenings:
            threading.Thread(target=self._play_all, daemon=True).start()

    def __enter__(self) -> ServedConversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._server.should_exit = True
        self.close()

    def _play_all(self) -> None:
        while not self._is_over.is_set():
            waiting = [task for task in self.runtime.queue.tasks() if task.status == "waiting"]
            if waiting:
                count = int(waiting[0].params.get("repeat_generation") or 1)
                steps = [one for one in self._happenings for _ in range(count if one.startswith("output") else 1)]
                self.play(steps)
            self._is_over.wait(0.01)
