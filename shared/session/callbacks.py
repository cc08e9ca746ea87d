"""A caller's callback object, called so that its mistakes stay its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from shared.core.results import SessionEvent, StreamMessage
from shared.session.stream import SessionStream

if TYPE_CHECKING:
    from shared.session.job import SessionJob
    from shared.session.session import WanGPSession

_log = logging.getLogger(__name__)

# Event kind -> the part of the method's name after "on_". Kinds that are not here reach the stream alone.
_METHODS = {
    "progress": "progress",
    "preview": "preview",
    "stream": "stream",
    "status": "status",
    "info": "info",
    "output": "output",
    "completed": "complete",
    "error": "error",
}


class Listener:
    """Tells a job's events to its stream and to a callback object with any of the `on_...` methods.

    A method that raises is reported once on the stream (as a line on stderr) and in the log; the job goes on and
    the method goes on being called.
    """

    def __init__(self, callbacks: Any, stream: SessionStream) -> None:
        self._callbacks, self._stream = callbacks, stream
        self._reported: set[tuple[str, type[Exception]]] = set()

    def bind(self, session: WanGPSession, job: SessionJob) -> None:
        """Hand the job to `bind_job(session=, job=)`, or `bind_job(job)` where that is its signature."""
        method = getattr(self._callbacks, "bind_job", None)
        if not callable(method):
            return
        try:
            try:
                method(session=session, job=job)
            except TypeError:
                method(job)
        except Exception as error:
            self._report("bind_job", error)

    def tell(self, kind: str, data: Any = None) -> None:
        """Put an event on the stream, then call its method and `on_event`."""
        self._stream.put(kind, data)
        name = _METHODS.get(kind)
        if name is None or self._callbacks is None:
            return
        self._call(f"on_{name}", data)
        self._call("on_event", SessionEvent(name, data))

    def _call(self, name: str, argument: Any) -> None:
        method = getattr(self._callbacks, name, None)
        if not callable(method):
            return
        try:
            method(argument)
        except Exception as error:
            self._report(name, error)

    def _report(self, name: str, error: Exception) -> None:
        if (name, type(error)) in self._reported:
            return
        self._reported.add((name, type(error)))
        text = f"The callback {name} raised {type(error).__name__}: {error}"
        _log.warning("%s", text, exc_info=error)
        self._stream.put("stream", StreamMessage("stderr", text))
