"""Fuzzes the OpenAPI schema of a service: no server error, replies as the schema says.

Needs schemathesis, which is not in requirements.txt: `pip install schemathesis`. The service is the real one over the
real queue; its tasks are played by a painter, so that a case takes milliseconds.

`python bench/http_fuzz.py [--service NAME] [--examples N an endpoint] [--seed N]`
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import uvicorn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.fakes.served import free_port  # noqa: E402
from tests.http.replay import Conversation, Painter  # noqa: E402

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,ignored_auth"
)


def main() -> int:
    """Serve, fuzz, report; the exit code is that of schemathesis."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", default="fooocus_generation")
    parser.add_argument("--examples", type=int, default=50, help="cases an endpoint")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = Conversation(options.service, Path(folder), ("--apikey", "fuzz"))
        painter = Painter(service, "started", "step 1/2", "preview", "output image", "done")
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(service.client.app, port=port, log_level="warning", access_log=False))
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        try:
            return fuzz(f"http://127.0.0.1:{port}", options.examples, options.seed)
        finally:
            server.should_exit = True
            painter.close()
            service.close()


def fuzz(url: str, examples: int, seed: int) -> int:
    """Run schemathesis against a server."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", CHECKS,
        "--max-examples", str(examples), "--seed", str(seed), "--phases", "examples,coverage,fuzzing",
        "--header", "X-API-KEY: fuzz", "--header", "Authorization: Bearer fuzz", "--request-timeout", "30",
        "--continue-on-failure", "--no-color", "--generation-database", "none",
    ]  # fmt: skip
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
