"""The stream of a job's events."""

from __future__ import annotations

import threading
import time

from shared.session.stream import SessionStream


def test_events_come_in_order_and_the_end_is_none_for_ever() -> None:
    stream = SessionStream()
    stream.put("started", {"tasks": 1})
    stream.put("status", "working")
    stream.close()
    stream.put("late", None)
    assert [stream.get().kind, stream.get().kind] == ["started", "status"]
    assert [stream.get(), stream.get(), stream.get(timeout=5)] == [None, None, None]
    assert stream.closed


def test_a_timeout_gives_none_while_the_stream_is_open() -> None:
    stream = SessionStream()
    began = time.monotonic()
    assert stream.get(timeout=0.05) is None
    assert 0.04 < time.monotonic() - began < 1
    assert stream.get(timeout=0) is None


def test_iterating_waits_out_the_gaps_and_stops_at_the_end() -> None:
    stream = SessionStream()

    def write() -> None:
        for number in range(3):
            time.sleep(0.03)
            stream.put("status", number)
        stream.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert [event.data for event in stream.iter(timeout=0.01)] == [0, 1, 2]
    writer.join()


def test_a_reader_that_waits_without_timeout_is_woken_by_the_end() -> None:
    stream = SessionStream()
    threading.Timer(0.05, stream.close).start()
    assert stream.get() is None


def test_clearing_drops_what_was_not_read_and_closing_twice_is_nothing() -> None:
    stream = SessionStream()
    stream.put("status", "a")
    stream.clear()
    assert stream.get(timeout=0) is None
    stream.put("status", "b")
    stream.close()
    stream.clear()
    stream.close()
    assert stream.get() is None
    assert list(stream.iter()) == []
