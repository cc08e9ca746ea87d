"""What a hostile client tries, and what it gets: each row is an attempt and the statuses that are right for it."""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from shared.http import server
from tests.http.replay import Conversation, picture_bytes, picture_uri

UPSCALE = "/v2/generation/image-upscale-vary"
T2I = "/v1/generation/text-to-image"
FORM = "/v1/generation/image-upscale-vary"
PARTS = "Content-Type: multipart/form-"
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """Fooocus-API with a key, its tasks waiting for ever."""
    made = Conversation("fooocus_generation", tmp_path_factory.mktemp("hostile"), ("--queue-size", "1000"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def port(service: Conversation) -> Iterator[int]:
    """The service behind a real server, for bytes that no decent client sends."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(service.client.app, log_level="critical", access_log=False, lifespan="off"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    running.should_exit = True
    thread.join(5)


def raw(port: int, request: bytes, timeout_s: float = 10) -> bytes:
    """What the server answers to bytes; b"" where it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while b"\r\n\r\n" not in answer and (block := connection.recv(65536)):
                answer += block
        except (TimeoutError, ConnectionError):
            pass
        return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: box", *headers]
    if body and not any(header.lower().startswith(("content-length", "transfer")) for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


ADDRESSES = [
    "http://127.0.0.1/x.png", "http://127.1/x.png", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/",
    "http://localhost:22/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://0.0.0.0/",
    "http://[::]/", "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.0.1/", "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[fd00::1]/", "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/", "http://224.0.0.1/", "http://a@127.0.0.1/", "http://example.com@127.0.0.1/",
    "https://127.0.0.1/", "HTTP://127.0.0.1/", "http:///etc/passwd", "http://", "http://[", "http://127.0.0.1:99999/",
    "http://127.0.0.1\r\nX: y/", "http://127.0.0.1/\x00", "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://a/",
    "javascript:alert(1)", "/etc/passwd", "data:text/html;base64,PGI+", "data:image/png;base64,", "data:,",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_that_lead_inside_are_refused(service: Conversation, address: str) -> None:
    answer = service.client.post(UPSCALE, json={"input_image": address})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "input_image"]
    assert str(service.context.inputs.folder) not in answer.text


@pytest.mark.parametrize("field", ["input_mask", "image_prompts"])
def test_every_field_with_a_picture_is_guarded(service: Conversation, field: str) -> None:
    evil = "http://169.254.169.254/"
    value: Any = [{"cn_img": evil}] if field == "image_prompts" else evil
    wish = {"input_image": picture_uri(64, 48), "image_prompts": [], field: value}
    answer = service.client.post("/v2/generation/image-prompt", json=wish)
    assert answer.status_code == 422 and answer.json()["detail"][0]["loc"][1] == field


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with a header of any size and further chunks."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *(chunk(*one) for one in chunks), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


ZEROS = zlib.compress(bytes(50_000_000), 9)
BOMBS = {
    "a picture of 3.6 thousand million pixels": png(60_000, 60_000, (b"IDAT", ZEROS)),
    "one side without end": png(2**31 - 1, 1, (b"IDAT", b"")),
    "no pixels": png(0, 0, (b"IDAT", b"")),
    "a text of 50 MB in a chunk": png(8, 8, (b"zTXt", b"Comment\0\0" + ZEROS), (b"IDAT", zlib.compress(bytes(72)))),
    "half a picture": picture_bytes(64, 48)[:100],
    "a picture that is a page": b"<html><img src=x onerror=alert(1)></html>",
    "a drawing that loads": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "a script in a PNG's clothes": b"\x89PNG\r\n\x1a\n#!/bin/sh\nrm -rf /",
    "a program": b"MZ" + bytes(1000),
    "a clip": b"\0\0\0\x18ftypmp42" + bytes(1000),
    "zeros": bytes(5000),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_disguises_are_refused(service: Conversation, name: str) -> None:
    started = time.monotonic()
    data = BOMBS[name]
    by_json = service.client.post(UPSCALE, json={"input_image": base64.b64encode(data).decode()})
    by_form = service.client.post(
        "/v1/generation/image-upscale-vary", data={"uov_method": "Upscale (2x)"}, files={"input_image": data}
    )
    if name == "a text of 50 MB in a chunk":
        assert {by_json.status_code, by_form.status_code} <= {200, 422}
    else:
        assert by_json.status_code == by_form.status_code == 422
    assert time.monotonic() - started < 10


TRAVERSALS = [
    "/files/%2e%2e/wgp_config.json", "/files/%2e%2e/%2e%2e/secret.png", "/files/..%2f..%2fsecret.png/x",
    "/files/../../secret.png", "/files/a/..%5c..%5csecret.png", "/files/%2e%2e%2f%2e%2e/secret.png",
    "/files/a/%2e%2e%2fsecret.png", "/files//etc/passwd", "/files/a/%00.png", "/files/a/.png", "/files/./secret.png",
    "/files/%252e%252e/secret.png", "/files/a/secret.png%00.txt", "/files/C:/secret.png",
    "/files/a/" + "x" * 6000 + ".png",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out_of_the_results(service: Conversation, port: int, path: str) -> None:
    folder = service.context.shelf("files").folder
    folder.mkdir(parents=True, exist_ok=True)
    for place in (folder.parent, folder.parent.parent):
        (place / "secret.png").write_bytes(picture_bytes(8, 8))
    answer = raw(port, request("GET", path, "Connection: close"))
    assert status(answer) in (400, 404) and b"PNG" not in answer


@pytest.mark.parametrize(
    "name",
    [
        "../../evil",
        "/etc/evil",
        "..\\..\\evil",
        "CON",
        "a\x00b",
        "x" * 5000,
        ".",
        "..",
        "{date}{prompt}",
        "a/b",
        "\u202egnp",
    ],
)
def test_names_of_results_stay_in_the_folder(service: Conversation, name: str) -> None:
    answer = service.client.post(T2I, json={"prompt": "x", "save_name": name, "async_process": True})
    assert answer.status_code == 200
    template = service.runtime.queue.get(_newest(service)).params["output_filename"]
    plain = template.removesuffix("-{number}")
    assert not set(plain) & set("/\\\x00{}") and plain not in ("", ".", "..") and len(plain.encode()) <= 120


def _newest(service: Conversation) -> int:
    return max(task.id for task in service.runtime.queue.tasks())


WELL_FORMED = json.dumps({"prompt": "x", "async_process": True}).encode()
HEADERS: list[tuple[str, bytes, set[int]]] = [
    ("a header of 200 kB", request("GET", "/ping", "X-Big: " + "a" * 200_000), {0, 400, 431}),
    ("3000 headers", request("GET", "/ping", *(f"X-{n}: {'a' * 50}" for n in range(3000))), {0, 400, 431}),
    ("a negative length", request("POST", T2I, JSON, "Content-Length: -5"), {400}),
    ("two lengths", request("POST", T2I, JSON, "Content-Length: 5", "Content-Length: 6", body=b"12345"), {400}),
    ("a length that is no number", request("POST", T2I, JSON, "Content-Length: 0x10"), {400}),
    ("a length beyond all bounds", request("POST", T2I, JSON, "Content-Length: 99999999999999"), {413}),
    ("a chunk size that is none", request("POST", T2I, JSON, "Transfer-Encoding: chunked", body=b"zz\r\n"), {400, 422}),
    ("a method that is none", b"\x00\xff /ping HTTP/1.1\r\n\r\n", {0, 400}),
    ("no HTTP at all", b"hello\r\n\r\n", {0, 400}),
    ("a form without a boundary", request("POST", FORM, f"{PARTS}data", body=b"x"), {400, 422}),
    ("a form cut short", request("POST", FORM, f"{PARTS}data; boundary=b", body=b"--b\r\nContent-Dis"), {400, 422}),
    ("JSON in UTF-16", request("POST", T2I, f"{JSON}; charset=utf-16", body="[]".encode("utf-16")), {400, 422}),
    ("JSON that is no UTF-8", request("POST", T2I, JSON, body=b'{"prompt": "\xff\xfe"}'), {400, 422}),
    ("brackets without end", request("POST", T2I, JSON, body=b"[" * 200_000), {400, 422}),
    ("a number without end", request("POST", T2I, JSON, body=b'{"image_seed": ' + b"9" * 50_000 + b"}"), {400, 422}),
    ("line ends in a key", request("POST", T2I, JSON, "Idempotency-Key: a%0d%0aX-Evil: 1", body=WELL_FORMED), {200}),
    ("a key of 50 kB", request("POST", T2I, JSON, "Idempotency-Key: " + "k" * 50_000, body=WELL_FORMED), {200}),
    ("an Accept of 50 kB", request("GET", "/files/a/b.png", "Accept: " + "image/png," * 5000), {404}),
    ("a range beyond the end", request("GET", "/ping", "Range: bytes=999999999-"), {200}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sent", "right"), HEADERS, ids=[row[0] for row in HEADERS])
def test_malformed_requests_are_refused_and_harm_nobody(port: int, name: str, sent: bytes, right: set[int]) -> None:
    answer = raw(port, sent)
    assert status(answer) in right, answer[:300]
    assert b"x-evil" not in answer.lower()
    assert status(raw(port, request("GET", "/ping", "Connection: close"))) == 200


def test_clients_that_vanish_or_dawdle_hold_nothing(service: Conversation, port: int) -> None:
    before = len(service.runtime.queue.tasks())
    half = request("POST", T2I, JSON, "Content-Length: 500", body=b'{"prompt": "x"')
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    try:
        for connection in idle[:30]:
            connection.sendall(half)
        for connection in idle[30:45]:
            connection.sendall(b"POST /v1/gen")
        for connection in idle[:10]:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        started = time.monotonic()
        assert status(raw(port, request("GET", "/ping", "Connection: close"))) == 200
        assert time.monotonic() - started < 2
        assert len(service.runtime.queue.tasks()) == before
    finally:
        for connection in idle:
            connection.close()


def test_a_body_that_stops_coming_ends_its_request(
    service: Conversation, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BODY_PAUSE_S", 0.2)
    for path, kind in ((T2I, JSON), (FORM, f"{PARTS}data; boundary=b")):
        answer = raw(port, request("POST", path, kind, "Content-Length: 500", body=b"--b\r\n"))
        assert status(answer) == 408


def test_a_client_that_leaves_a_waiting_call_leaves_its_job(service: Conversation, port: int) -> None:
    before = len(service.runtime.queue.tasks())
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request("POST", T2I, JSON, body=b'{"prompt": "left alone"}'))
        end = time.monotonic() + 5
        while len(service.runtime.queue.tasks()) == before and time.monotonic() < end:
            time.sleep(0.02)
    assert len(service.runtime.queue.tasks()) == before + 1
    assert status(raw(port, request("GET", "/ping", "Connection: close"))) == 200


WRONG_KEYS = [
    "", "s3cre", "s3cret ", " s3cret2", "S3CRET", "s3cret\x00", "Bearer s3cret", "\xff", "s3cret,s3cret", "a" * 30_000,
]  # fmt: skip


def test_wrong_keys_open_nothing(tmp_path: Path) -> None:
    service = Conversation("fooocus_generation", tmp_path, ("--apikey", "s3cret"))
    try:
        for key in WRONG_KEYS:
            if key.strip() == "s3cret":
                continue  # HTTP itself takes the blanks around a value away
            headers = [(b"X-API-KEY", key.encode("latin-1", "replace"))]
            for method, path in (("GET", "/ping"), ("POST", T2I), ("GET", "/v1/generation/job-history")):
                answer = service.client.request(method, path, headers=headers, content=b"{")
                assert answer.status_code == 403, (key[:20], path)
        twice = [(b"X-API-KEY", b"wrong"), (b"X-API-KEY", b"s3cret")]
        assert service.client.get("/ping", headers=twice).status_code == 403
        assert service.client.get("/ping", params={"X-API-KEY": "s3cret"}).status_code == 403
        assert service.runtime.queue.tasks() == []
    finally:
        service.close()


def test_deletion_reaches_only_the_services_own_jobs(service: Conversation, tmp_path: Path) -> None:
    task = service.runtime.submit({"model_type": "starter", "prompt": "of the page"}, client_id="page_task")
    history = "/v1/generation/job-history"
    for job_id in ("page_task", str(task.id), "' OR 1=1 --", "%", "../x", "\x00"):
        answer = service.client.get(history, params={"job_id": job_id, "delete": "true"})
        assert answer.json() == {"message": "Not found"}
    assert service.runtime.queue.get(task.id) is not None
    assert service.client.post("/v1/generation/stop").json() == {"msg": "success"}
    assert service.runtime.queue.get(task.id).status == "waiting"
