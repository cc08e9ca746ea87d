"""Messages to the addresses of clients: signed, tried again, and only where they may go."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from shared.core.errors import MediaError
from shared.http import webhooks
from shared.http.auth import sign
from shared.http.webhooks import Webhooks
from shared.media.fetching import post


def until(condition: Any) -> None:
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_a_message_is_signed_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PAUSES_S", (0.01, 0.01))
    sent: list[tuple[str, bytes, dict[str, str], bool]] = []

    def send(url: str, body: bytes, headers: dict[str, str], *, timeout_s: float, allow_private: bool) -> int:
        sent.append((url, body, headers, allow_private))
        return 200 if len(sent) == 3 else 500

    hooks = Webhooks("k", "http://127.0.0.1/mine", send=send)
    hooks.tell("http://127.0.0.1/mine", {"a": 1})
    until(lambda: len(sent) == 3)
    time.sleep(0.05)
    assert len(sent) == 3
    assert {entry[1] for entry in sent} == {b'{"a": 1}'}
    assert sent[0][2]["X-WanGP-Signature"] == sign(b'{"a": 1}', "k")
    assert sent[0][3] is True
    hooks.tell("http://example.com/", {})
    until(lambda: len(sent) > 3)
    assert sent[3][3] is False
    hooks.close()


def test_a_message_arrives_where_the_operator_allows_it() -> None:
    got: list[tuple[str, bytes, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, body, self.headers["X-WanGP-Signature"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        own = f"http://127.0.0.1:{receiver.server_port}/own"
        hooks = Webhooks("k", trusted=own)
        hooks.tell(own.replace("/own", "/of-a-client"), {})
        hooks.tell(own, {"job_id": "1"})
        until(lambda: got)
        time.sleep(0.1)
        hooks.close()
        receiver.shutdown()
    assert got == [("/own", b'{"job_id": "1"}', sign(b'{"job_id": "1"}', "k"))]


def test_private_addresses_get_nothing() -> None:
    for url in ("http://127.0.0.1:9/x", "http://[::1]/", "http://169.254.169.254/", "file:///etc/passwd"):
        with pytest.raises(MediaError):
            post(url, b"{}", {})
