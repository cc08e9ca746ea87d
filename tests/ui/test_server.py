"""The one port: the page's addresses, the login, and what it says when it cannot listen."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from PIL import Image

from shared.core.errors import WanGPError
from shared.media.video_write import write_video
from shared.ui.app import Page
from shared.ui.server import login_of, open_port, web_app
from tests.fakes.page_runtime import PageRuntime

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def client(page: Page, runtime: PageRuntime) -> Iterator[TestClient]:
    router = APIRouter()

    @router.get("/service/hello")
    def hello() -> dict[str, str]:
        return {"hello": "there"}

    with TestClient(web_app(page, runtime, None, ("localhost", 7860), router.routes)) as made:
        yield made


@pytest.fixture(scope="module")
def clip(runtime: PageRuntime, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A result in the history: a clip of three frames."""
    path = tmp_path_factory.mktemp("out") / "a clip, 100%.mp4"
    write_video(np.full((3, 32, 48, 3), 120, np.uint8), path, fps=8)
    return runtime.history.add(path, "video", {"prompt": "a star", "model_type": "starter", "seed": 4}).id


def test_the_page_answers_with_its_own_head(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "wangp/assets/page.css" in answer.text
    assert "fonts.googleapis" not in answer.text
    assert json.loads(answer.text.split('id="wangp-config">')[1].split("</script>")[0])["texts"]["queue"] == "Queue"


def test_the_kept_page_is_the_same_for_all(client: TestClient) -> None:
    first = client.get("/", headers={"accept-encoding": "identity"})
    again = client.get("/", headers={"accept-encoding": "gzip"})
    assert first.text == again.text
    assert len(gzip.compress(first.content)) * 2 < len(first.content)


def test_scripts_and_styles_come_from_here(client: TestClient) -> None:
    scripts = ("base.js", "form.js", "memory.js", "stage.js", "queue.js", "gallery.js", "live.js")
    for name in ("page.css", *scripts, "icon.svg"):
        assert client.get(f"/wangp/assets/{name}").status_code == 200


def test_the_need_of_the_form_is_told(client: TestClient, runtime: PageRuntime) -> None:
    unloaded = client.get("/wangp/memory", params={"settings": '{"model_type": "starter"}'}).json()
    assert unloaded == {"text": "", "fits": True}
    (runtime.root / "ckpts").symlink_to(ROOT / "ckpts")
    asked = {"model_type": "starter", "resolution": "256x256", "video_length": 9}
    small = client.get("/wangp/memory", params={"settings": json.dumps(asked)}).json()
    assert small["fits"] and small["text"].startswith("Needs 0.") and small["text"].endswith("GB memory")
    huge = {**asked, "resolution": "16384x16384", "video_length": 4001}
    told = client.get("/wangp/memory", params={"settings": json.dumps(huge)}).json()
    assert not told["fits"] and "What would fit: " in told["text"]
    (runtime.root / "ckpts").unlink()
    assert client.get("/wangp/memory", params={"settings": "no json"}).status_code == 422


def test_no_script_asks_another_host() -> None:
    for path in (ROOT / "shared" / "ui" / "assets").iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, path.name


def test_services_share_the_port(client: TestClient) -> None:
    assert client.get("/service/hello").json() == {"hello": "there"}


def test_results_are_listed_newest_first(client: TestClient, clip: int) -> None:
    body = client.get("/wangp/results").json()
    assert body["total"] == 1
    assert body["results"][0] | {"created": 0, "task_id": 0} == {
        "id": clip, "task_id": 0, "name": "a clip, 100%.mp4", "kind": "video", "prompt": "a star", "model": "Starter",
        "seed": 4, "size": None, "frames": None, "steps": None, "created": 0,
        "favourite": False, "missing": False, "trashed": None,
    }  # fmt: skip


def test_a_result_comes_in_parts_for_the_player(client: TestClient, clip: int) -> None:
    answer = client.get(f"/wangp/results/{clip}/clip.mp4", headers={"range": "bytes=0-99"})
    assert answer.status_code == 206
    assert len(answer.content) == 100
    assert answer.headers["content-type"] == "video/mp4"


def test_a_result_has_a_thumbnail_made_once(client: TestClient, clip: int, runtime: PageRuntime) -> None:
    first = client.get(f"/wangp/results/{clip}/thumbnail.jpg")
    assert first.content[:3] == b"\xff\xd8\xff"
    assert len(list((runtime.config_dir / "thumbnails").rglob("*.jpg"))) == 1
    assert client.get(f"/wangp/results/{clip}/thumbnail.jpg").content == first.content


def test_settings_of_a_result_can_be_saved(client: TestClient, clip: int) -> None:
    answer = client.get(f"/wangp/results/{clip}/settings.json?download=1")
    assert answer.json()["prompt"] == "a star"
    assert "attachment" in answer.headers["content-disposition"]


def test_what_is_gone_is_said_plainly(client: TestClient) -> None:
    assert client.get("/wangp/results/999/x.mp4").status_code == 404
    assert client.get("/wangp/preview/999.jpg").status_code == 204
    assert client.get("/wangp/tasks/999/picture.jpg").status_code == 404


def test_a_waiting_task_shows_its_picture(client: TestClient, runtime: PageRuntime, tmp_path: Path) -> None:
    picture = tmp_path / "start.png"
    Image.new("RGB", (600, 400), "red").save(picture)
    task = runtime.submit({"model_type": "starter", "image_start": str(picture), "image_prompt_type": "S"})
    answer = client.get(f"/wangp/tasks/{task.id}/picture.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    assert len(answer.content) < 20_000


def test_the_queue_comes_as_a_zip(client: TestClient) -> None:
    answer = client.get("/wangp/queue.zip")
    assert answer.content[:2] == b"PK"


def test_without_a_login_nothing_of_the_page_is_given(tmp_path: Path) -> None:
    from shared.ui.app import build_app

    runtime = PageRuntime(tmp_path)
    try:
        with TestClient(web_app(build_app(runtime), runtime, ("ada", "secret"), ("localhost", 7860))) as client:
            assert client.get("/wangp/results").status_code == 401
            assert client.get("/wangp/queue.zip").status_code == 401
            assert "wangp-form" not in client.get("/").text
            assert client.post("/login", data={"username": "ada", "password": "wrong"}).status_code == 400
            assert client.post("/login", data={"username": "ada", "password": "secret"}).status_code == 200
            assert client.get("/wangp/results").status_code == 200
            assert "wangp-form" in client.get("/").text
    finally:
        runtime.close()


def test_a_taken_port_is_told_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WanGPError, match=f"Port {port} .*already in use.*--server-port"):
            open_port("127.0.0.1", port)


def test_an_unusable_address_is_told() -> None:
    with pytest.raises(WanGPError, match="cannot be listened on"):
        open_port("no-such-host.invalid", 7860)


def test_the_login_flag_is_checked() -> None:
    assert login_of("") is None
    assert login_of("ada:pass:word") == ("ada", "pass:word")
    for wrong in ("ada", "ada:", ":secret"):
        with pytest.raises(WanGPError, match="USER:PASSWORD"):
            login_of(wrong)


def test_the_page_loads_no_torch() -> None:
    code = (
        "import sys, tempfile\nfrom pathlib import Path\n"
        "from tests.fakes.page_runtime import PageRuntime\nfrom shared.ui.app import build_app\n"
        "from shared.ui.server import web_app\n"
        "runtime = PageRuntime(Path(tempfile.mkdtemp()))\n"
        "web_app(build_app(runtime), runtime, None, ('localhost', 1))\n"
        "print([name for name in ('torch', 'diffusers', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr[-2000:]


def test_answers_are_not_held_back_by_the_network() -> None:
    with open_port("127.0.0.1", 0) as listener:
        # asyncio switches Nagle's algorithm off only for sockets that name their protocol.
        assert listener.proto == socket.IPPROTO_TCP
