"""What is still to be fetched of a model, by the listing of its repository."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.core.checkpoints import Finder
from shared.core.contracts import ModelFile
from shared.core.errors import Cancelled, DownloadError
from shared.engine.download_file import Patience
from shared.engine.download_line import Line
from shared.engine.download_plan import Planner, wanting
from shared.engine.downloads import Downloader
from tests.fakes.hub import FakeHub, Fault

QUICK = Patience(attempts=3, first_wait_s=0.01, longest_wait_s=0.02)
PIPELINE = ModelFile("Clips", repo="team/Clips", name=".", role="pipeline")
WEIGHTS = b"w" * 5000


def repository() -> dict[str, bytes]:
    index = {
        "_class_name": "WanPipeline",
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
    }
    return {
        "model_index.json": json.dumps(index).encode(),
        "README.md": b"# read me",
        "transformer/config.json": b"{}",
        "transformer/diffusion_pytorch_model.safetensors": WEIGHTS,
        "transformer/diffusion_pytorch_model.bin": WEIGHTS,
        "scheduler/scheduler_config.json": b"{}",
    }


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server = FakeHub()
    server.repositories["team/Clips"] = repository()
    yield server
    server.close()


def planner(hub: FakeHub, **line: object) -> Planner:
    return Planner(Line(endpoint=hub.url, timeout_s=5, **line), QUICK)  # type: ignore[arg-type]


def fetch(hub: FakeHub, roots: list[Path], *files: ModelFile) -> list[str]:
    """Fetch what is missing; the names of what was fetched."""
    missing = planner(hub).missing(wanting(files, Finder(roots)))
    Downloader(Line(endpoint=hub.url), patience=QUICK).fetch(missing)
    return sorted(file.target.name for file in missing)


def test_a_pipeline_is_laid_out_as_its_repository(hub: FakeHub, tmp_path: Path) -> None:
    fetch(hub, [tmp_path], PIPELINE)
    found = {path.relative_to(tmp_path / "Clips").as_posix() for path in (tmp_path / "Clips").rglob("*.*")}
    assert found == set(repository()) - {"README.md", "transformer/diffusion_pytorch_model.bin"}
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert wanting([PIPELINE], Finder([tmp_path])) == []


def test_what_is_there_is_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    fetch(hub, [tmp_path], PIPELINE)
    (tmp_path / "Clips" / "scheduler" / "scheduler_config.json").write_text('{"my": "own"}')
    weights = tmp_path / "Clips" / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    assert fetch(hub, [tmp_path], PIPELINE) == ["diffusion_pytorch_model.safetensors"]
    assert weights.read_bytes() == WEIGHTS
    assert "own" in (tmp_path / "Clips" / "scheduler" / "scheduler_config.json").read_text()


def test_a_half_folder_of_a_later_root_is_completed_there(hub: FakeHub, tmp_path: Path) -> None:
    roots = [tmp_path / "first", tmp_path / "second"]
    (roots[1] / "Clips" / "transformer").mkdir(parents=True)
    (roots[1] / "Clips" / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(WEIGHTS)
    assert "diffusion_pytorch_model.safetensors" not in fetch(hub, roots, PIPELINE)
    assert (roots[1] / "Clips" / "model_index.json").is_file() and not (roots[0] / "Clips").exists()


def test_single_files_and_parts_of_other_repositories(hub: FakeHub, tmp_path: Path) -> None:
    hub.repositories["team/Looks"] = {"a/look_bf16.safetensors": WEIGHTS}
    hub.repositories["team/Control"] = {
        "config.json": b"{}",
        "diffusion_pytorch_model.safetensors": WEIGHTS,
        "diffusion_pytorch_model.bin": WEIGHTS,
        "pictures/example.png": b"p",
    }
    look = ModelFile("look_bf16.safetensors", repo="team/Looks", name="a/look_bf16.safetensors", role="transformer")
    control = ModelFile("Control", repo="team/Control", name=".", role="part:controlnet")
    assert fetch(hub, [tmp_path], look, control) == [
        "config.json",
        "diffusion_pytorch_model.safetensors",
        "look_bf16.safetensors",
    ]
    assert (tmp_path / "look_bf16.safetensors").read_bytes() == WEIGHTS
    assert (tmp_path / "Control" / "diffusion_pytorch_model.safetensors").is_file()


def test_an_address_of_another_host_is_fetched_too(hub: FakeHub, tmp_path: Path) -> None:
    hub.files["/files/vae.safetensors"] = WEIGHTS
    fetch(hub, [tmp_path], ModelFile("vae.safetensors", url=f"{hub.url}/files/vae.safetensors", role="vae"))
    assert (tmp_path / "vae.safetensors").read_bytes() == WEIGHTS


def test_a_revision_is_taken_at_its_commit(hub: FakeHub, tmp_path: Path) -> None:
    pinned = ModelFile("Clips", repo="team/Clips", name=".", role="pipeline", revision="v1")
    fetch(hub, [tmp_path], pinned)
    assert hub.asked("/api/models/team/Clips/revision/v1")
    assert not hub.asked("/resolve/main/")
    wrong = ModelFile("Clips2", repo="team/Clips", name=".", role="pipeline", revision="v9")
    with pytest.raises(DownloadError, match="no such revision"):
        fetch(hub, [tmp_path], wrong)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (ModelFile("X", repo="team/Nothing", name=".", role="pipeline"), "no such repository"),
        (ModelFile("X", repo="no name", name=".", role="pipeline"), "not the name of a repository"),
        (ModelFile("x.safetensors", repo="team/Clips", name="x.safetensors"), "has no x.safetensors"),
        (ModelFile("X", repo="team/Loose", name=".", role="pipeline"), "not in diffusers' layout"),
        (ModelFile("X", repo="team/Damaged", name=".", role="pipeline"), "model_index.json is damaged"),
    ],
)
def test_definitions_that_name_nothing_are_told(hub: FakeHub, tmp_path: Path, file: ModelFile, words: str) -> None:
    hub.repositories["team/Loose"] = {"a.safetensors": WEIGHTS}
    hub.repositories["team/Damaged"] = {"model_index.json": b"{half"}
    with pytest.raises(DownloadError, match=words):
        fetch(hub, [tmp_path], file)


def test_a_gated_repository_says_what_to_do(hub: FakeHub, tmp_path: Path) -> None:
    hub.gated.add("team/Clips")
    with pytest.raises(DownloadError, match=r"team/Clips is gated: .*/team/Clips\. Then give a token \(HF_TOKEN"):
        fetch(hub, [tmp_path], PIPELINE)
    missing = planner(hub, token=hub.token).missing(wanting([PIPELINE], Finder([tmp_path])))
    Downloader(Line(endpoint=hub.url, token=hub.token), patience=QUICK).fetch(missing)
    assert (tmp_path / "Clips" / "model_index.json").is_file()


def test_a_hub_in_trouble_is_asked_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults["/api/models/team/Clips"] = Fault(times=2, status=503, headers={"Retry-After": "0"})
    assert "model_index.json" in fetch(hub, [tmp_path], PIPELINE)
    hub.faults["/api/models/team/Clips"] = Fault(status=429)
    with pytest.raises(DownloadError, match="cannot be reached"):
        fetch(hub, [tmp_path / "other"], PIPELINE)


def test_a_hub_that_does_not_answer_can_be_cancelled(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults["/api/models/team/Clips"] = Fault(wait_s=3)
    started = time.monotonic()
    asking = Planner(Line(endpoint=hub.url), QUICK, lambda: time.monotonic() - started > 0.3)
    with pytest.raises(Cancelled):
        asking.missing(wanting([PIPELINE], Finder([tmp_path])))
    assert time.monotonic() - started < 1.3


def test_offline_nothing_is_asked(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DownloadError, match="downloads are switched off"):
        planner(hub, offline=True).missing(wanting([PIPELINE], Finder([tmp_path])))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        planner(hub).missing(wanting([PIPELINE], Finder([tmp_path])))
    assert hub.requests == []


def test_a_listing_cannot_lead_out_of_the_folder(hub: FakeHub, tmp_path: Path) -> None:
    index = {"transformer": ["diffusers", "X"]}
    hub.repositories["team/Evil"] = {
        "model_index.json": json.dumps(index).encode(),
        "transformer/../../../evil.json": b"{}",
    }
    with pytest.raises(Exception, match="leads outside its folder"):
        fetch(hub, [tmp_path], ModelFile("Evil", repo="team/Evil", name=".", role="pipeline"))


def test_a_host_that_is_not_known_is_asked_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    line, asked = Line(endpoint="http://no-such-host.invalid", timeout_s=5), []

    def ask() -> object:
        asked.append(1)
        return line.repository("team/Clips", "main")

    patience = Patience(attempts=50, first_wait_s=0.01, longest_wait_s=0.01)
    with pytest.raises(DownloadError, match="cannot be reached"):
        Planner(line, patience).patiently(ask, "team/Clips")
    assert len(asked) == 3
