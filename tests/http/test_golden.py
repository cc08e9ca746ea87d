"""Every golden conversation of every service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from shared.http import server
from shared.http.context import ServiceContext
from tests.fakes.page_runtime import PageRuntime
from tests.http.replay import GOLDEN, Conversation

FILES = sorted(GOLDEN.glob("*/*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_golden_conversation(path: Path, tmp_path: Path) -> None:
    flags = tuple(json.loads(path.read_text(encoding="utf-8")).get("flags", ()))
    conversation = Conversation(path.parent.name, tmp_path, flags)
    try:
        conversation.play_file(path)
    finally:
        conversation.close()


def test_every_endpoint_answers_on_the_page_port(tmp_path: Path) -> None:
    runtime = PageRuntime(tmp_path)
    context = ServiceContext(runtime, runtime.args)
    services = server.Services(context, server.find_dialects())
    app = FastAPI(openapi_url=None)
    app.router.routes.extend(services.routes)
    client = TestClient(app, raise_server_exceptions=False)
    missing = []
    for name, (_, service) in services.apps.items():
        for path, methods in service.openapi()["paths"].items():
            # A method that no endpoint has is answered by the service that has the path; the page would say 404.
            if path != "/" and client.request("PATCH", path.replace("{", "").replace("}", "")).status_code != 405:
                missing.append((name, path, *methods))
    context.close()
    runtime.close()
    assert missing == []
