"""A server that speaks the Hub's protocol over real HTTP, with lines that can be cut, spoilt, slowed and refused."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 64  # files of this many bytes are kept apart from git, as large files are


@dataclass
class Fault:
    """What goes wrong with a file, for the next `times` answers."""

    times: int = 10**6
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    spoil_at: int | None = None
    wait_s: float = 0.0
    slow_s: float = 0.0
    ignores_range: bool = False


class FakeHub:
    """Repositories and plain files in memory; `requests` notes what was asked: (method, path, range, token given)."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, Fault] = {}
        self.gated: set[str] = set()
        self.token = "hf_the_users_own_secret"
        self.requests: list[tuple[str, str, str, bool]] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """Its address, to be used as the Hub's."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Note how many requests wait at once."""
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        yield
        with self._lock:
            self.at_once -= 1

    def asked(self, word: str) -> list[tuple[str, str, str, bool]]:
        """The requests whose path has a word."""
        return [request for request in self.requests if word in request[1]]

    def fault_of(self, path: str) -> Fault:
        """What goes wrong with this answer."""
        with self._lock:
            for ending, fault in self.faults.items():
                if path.endswith(ending) and fault.times > 0:
                    fault.times -= 1
                    return fault
        return Fault()

    def listing(self, repo: str) -> dict[str, Any]:
        """What the Hub's interface says of a repository."""
        siblings = []
        for name, content in self.repositories[repo].items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
            entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
            if len(content) >= LARGE:
                entry["lfs"] = {
                    "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 135
                }  # fmt: skip
            siblings.append(entry)
        return {"id": repo, "sha": COMMIT, "siblings": siblings}


def _handler_of(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"hub": hub})


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        has_token = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        self.hub.requests.append(("GET", path, self.headers.get("Range", ""), has_token))
        fault = self.hub.fault_of(path)
        with self.hub.counted():
            time.sleep(fault.wait_s)
        if fault.status:
            return self._send(fault.status, b"", fault.headers)
        if api := re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/revision/([^/]+))?", path):
            return self._repository(api[1], api[2] or "main", has_token)
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            if refused := self._refused(found[1], found[2], has_token):
                return self._send(*refused)
            content = self.hub.repositories[found[1]].get(found[3])
            if content is not None and len(content) >= LARGE:
                return self._send(302, b"", {"Location": f"/cdn/{found[1]}/{found[3]}?signature=secret"})
            return self._content(content, fault)
        if cdn := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
            return self._content(self.hub.repositories[cdn[1]].get(cdn[2]), fault)
        return self._content(self.hub.files.get(path), fault)

    def _refused(self, repo: str, revision: str, has_token: bool) -> tuple[int, bytes, dict[str, str]] | None:
        if repo not in self.hub.repositories:
            return 401 if not has_token else 404, b"", {"X-Error-Code": "RepoNotFound"}
        if repo in self.hub.gated and not has_token:
            return 401, b"", {"X-Error-Code": "GatedRepo"}
        if revision not in ("main", COMMIT, "v1"):
            return 404, b"", {"X-Error-Code": "RevisionNotFound"}
        return None

    def _repository(self, repo: str, revision: str, has_token: bool) -> None:
        gate, self.hub.gated = self.hub.gated, set()
        refused = self._refused(repo, revision, has_token)
        self.hub.gated = gate
        if refused:
            return self._send(*refused)
        self._send(200, json.dumps(self.hub.listing(repo)).encode(), {"Content-Type": "application/json"})

    def _content(self, content: bytes | None, fault: Fault) -> None:
        if content is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        headers = {"ETag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range", "")
        if asked is None or fault.ignores_range or condition not in ("", headers["ETag"]):
            return self._send(200, content, headers, fault)
        start = int(asked[1])
        if start >= len(content):
            return self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        end = min(int(asked[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        self._send(206, content[start : end + 1], headers, fault)

    def _send(self, status: int, body: bytes, headers: dict[str, str], fault: Fault | None = None) -> None:
        fault = fault or Fault()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if fault.spoil_at is not None and fault.spoil_at < len(body):
            body = body[: fault.spoil_at] + bytes([body[fault.spoil_at] ^ 255]) + body[fault.spoil_at + 1 :]
        step = max(1, len(body) // 20) if fault.slow_s else len(body) or 1
        with suppress(OSError):
            for place in range(0, len(body), step):
                piece = body[place : place + step]
                if fault.cut_after is not None and place + len(piece) > fault.cut_after:
                    self.wfile.write(piece[: max(0, fault.cut_after - place)])
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self.wfile.write(piece)
                time.sleep(fault.slow_s)
