"""Files over a real line to a server that speaks the Hub's protocol: cut, spoilt, slow, refused, shared, killed."""

from __future__ import annotations

import hashlib
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.core.errors import Cancelled, DownloadError
from shared.core.paths import DiskFull
from shared.engine import downloads
from shared.engine.download_file import WORK_FOLDER, Patience, RemoteFile
from shared.engine.download_line import Line
from shared.engine.downloads import Downloader, DownloadProgress, Speedometer
from tests.fakes.hub import FakeHub, Fault

CONTENT = bytes(range(256)) * 4000
QUICK = Patience(attempts=3, first_wait_s=0.01, longest_wait_s=0.02)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    server = FakeHub()
    server.files["/big.safetensors"] = CONTENT
    yield server
    server.close()


@pytest.fixture
def fetcher(hub: FakeHub) -> Downloader:
    return Downloader(Line(endpoint=hub.url, timeout_s=5), patience=QUICK)


def remote(hub: FakeHub, folder: Path, name: str = "big.safetensors", **facts: object) -> RemoteFile:
    facts = {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), **facts}
    return RemoteFile(f"{hub.url}/{name}", folder / name, folder, **facts)  # type: ignore[arg-type]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.suffix for path in (folder / WORK_FOLDER).glob("*") if path.suffix != ".lock")


def test_a_file_arrives_whole_and_checked(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    told: list[DownloadProgress] = []
    fetcher.fetch([remote(hub, tmp_path)], told.append)
    assert (tmp_path / "big.safetensors").read_bytes() == CONTENT
    assert (told[-1].done, told[-1].total, told[-1].files_done) == (len(CONTENT), len(CONTENT), 1)
    assert leftovers(tmp_path) == []


def test_a_cut_line_is_taken_up_where_it_broke(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    hub.faults["big.safetensors"] = Fault(times=2, cut_after=300_000)
    told: list[DownloadProgress] = []
    Downloader(fetcher.line, patience=Patience(3, 0.5, 0.5)).fetch([remote(hub, tmp_path)], told.append)
    assert (tmp_path / "big.safetensors").read_bytes() == CONTENT
    assert any("trying again (" in progress.text for progress in told) and not told[-1].trouble
    assert [request[2] for request in hub.requests] == ["", "bytes=300000-1023999", "bytes=600000-1023999"]


def test_a_line_that_stays_cut_keeps_what_came_and_the_next_try_continues(
    hub: FakeHub, fetcher: Downloader, tmp_path: Path
) -> None:
    hub.faults["big.safetensors"] = Fault(times=1, cut_after=400_000)
    hub.faults["g.safetensors"] = Fault(times=3, status=503)
    with pytest.raises(DownloadError, match=r"answered 503, 3 times in a row\. What has arrived is kept"):
        fetcher.fetch([remote(hub, tmp_path)])
    assert leftovers(tmp_path) == [".part"]
    fetcher.fetch([remote(hub, tmp_path)])
    assert (tmp_path / "big.safetensors").read_bytes() == CONTENT
    assert hub.requests[-1][2] == "bytes=400000-1023999"


def test_spoilt_bytes_are_noticed_and_fetched_anew(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    hub.faults["big.safetensors"] = Fault(times=1, spoil_at=5000)
    fetcher.fetch([remote(hub, tmp_path)])
    assert (tmp_path / "big.safetensors").read_bytes() == CONTENT


def test_a_file_spoilt_twice_is_an_error_and_not_put_in_place(
    hub: FakeHub, fetcher: Downloader, tmp_path: Path
) -> None:
    hub.faults["big.safetensors"] = Fault(spoil_at=5000)
    with pytest.raises(DownloadError, match="arrived damaged twice"):
        fetcher.fetch([remote(hub, tmp_path)])
    assert not (tmp_path / "big.safetensors").exists()


def test_a_small_file_is_checked_by_its_git_checksum(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    hub.files["/config.json"] = b'{"a": 1}'
    checksum = hashlib.sha1(b'blob 8\0{"a": 1}', usedforsecurity=False).hexdigest()
    fetcher.fetch([remote(hub, tmp_path, "config.json", size=8, sha256="", git_sha1=checksum)])
    assert (tmp_path / "config.json").read_bytes() == b'{"a": 1}'
    with pytest.raises(DownloadError, match="damaged"):
        fetcher.fetch([remote(hub, tmp_path / "other", "config.json", size=8, sha256="", git_sha1="0" * 40)])


def test_a_server_without_ranges_is_read_from_the_start(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    hub.faults["big.safetensors"] = Fault(times=1, cut_after=300_000)
    hub.faults["g.safetensors"] = Fault(ignores_range=True)
    fetcher.fetch([remote(hub, tmp_path)])
    assert (tmp_path / "big.safetensors").read_bytes() == CONTENT


def test_a_plain_file_that_changed_meanwhile_is_read_from_the_start(
    hub: FakeHub, fetcher: Downloader, tmp_path: Path
) -> None:
    unknown = remote(hub, tmp_path, size=None, sha256="")
    hub.faults["big.safetensors"] = Fault(times=1, cut_after=300_000)
    hub.faults["g.safetensors"] = Fault(times=2, status=503)
    with pytest.raises(DownloadError):
        Downloader(fetcher.line, patience=Patience(2, 0.01, 0.02)).fetch([unknown])
    hub.files["/big.safetensors"] = CONTENT[::-1]
    fetcher.fetch([unknown])
    assert (tmp_path / "big.safetensors").read_bytes() == CONTENT[::-1]


def test_cancelling_ends_a_slow_download_within_a_second(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    hub.faults["big.safetensors"] = Fault(slow_s=2.0)
    started = time.monotonic()
    with pytest.raises(Cancelled):
        fetcher.fetch([remote(hub, tmp_path)], is_cancelled=lambda: time.monotonic() - started > 0.5)
    assert time.monotonic() - started < 1.5
    hub.faults.clear()
    fetcher.fetch([remote(hub, tmp_path)])
    assert (tmp_path / "big.safetensors").read_bytes() == CONTENT
    assert hub.requests[-1][2].startswith("bytes=51200-")


def test_an_error_of_the_listener_ends_the_download(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    hub.faults["big.safetensors"] = Fault(slow_s=0.2)

    def refuse(_: DownloadProgress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        fetcher.fetch([remote(hub, tmp_path)], refuse)


def test_two_downloads_of_one_file_fetch_it_once(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    hub.faults["big.safetensors"] = Fault(slow_s=0.02)
    threads = [threading.Thread(target=fetcher.fetch, args=([remote(hub, tmp_path)],)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (tmp_path / "big.safetensors").read_bytes() == CONTENT
    assert len(hub.requests) == 1


def test_several_files_come_side_by_side(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    names = [f"part-{number}.safetensors" for number in range(4)]
    for name in names:
        hub.files[f"/{name}"] = CONTENT
        hub.faults[name] = Fault(wait_s=0.3)
    fetcher.fetch([remote(hub, tmp_path, name) for name in names])
    assert hub.most_at_once > 1
    assert all((tmp_path / name).read_bytes() == CONTENT for name in names)


def test_a_killed_program_continues_when_it_is_started_again(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    hub.faults["big.safetensors"] = Fault(times=1, slow_s=0.2)
    code = (
        "import sys; from pathlib import Path; from shared.engine.downloads import *;"
        "from shared.engine.download_file import RemoteFile; url, folder, checksum = sys.argv[1:];"
        "Downloader().fetch([RemoteFile(url, Path(folder) / 'big.safetensors', Path(folder), 1024000, checksum)])"
    )
    file = remote(hub, tmp_path)
    child = subprocess.Popen([sys.executable, "-c", code, file.url, str(tmp_path), file.sha256])
    end = time.monotonic() + 30
    while time.monotonic() < end and not (file.part.is_file() and file.part.stat().st_size > 100_000):
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    kept = file.part.stat().st_size
    fetcher.fetch([file])
    assert (tmp_path / "big.safetensors").read_bytes() == CONTENT
    assert kept > 100_000 and hub.requests[-1][2] == f"bytes={kept}-1023999"


def test_a_full_disk_is_told_before_the_first_byte(
    hub: FakeHub, fetcher: Downloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(DiskFull, match=r"has 1\.0 MB free, and 1\.0 MB are still to be downloaded"):
        fetcher.fetch([remote(hub, tmp_path)])
    assert hub.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_on_the_way_is_told(hub: FakeHub, fetcher: Downloader, tmp_path: Path) -> None:
    file = remote(hub, tmp_path)
    file.part.parent.mkdir(parents=True)
    file.part.symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="The disk is full"):
        fetcher.fetch([file])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=403), r"refuses it \(403\)"),
        (Fault(status=404), r"is not there \(404\)"),
        (Fault(status=500), "answered 500, 3 times in a row"),
    ],
)
def test_refusals_are_told_in_words(
    hub: FakeHub, fetcher: Downloader, tmp_path: Path, fault: Fault, words: str
) -> None:
    hub.faults["big.safetensors"] = fault
    with pytest.raises(DownloadError, match=words) as caught:
        fetcher.fetch([RemoteFile(f"{hub.url}/big.safetensors?key=secret", tmp_path / "a.safetensors", tmp_path)])
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_told(fetcher: Downloader, tmp_path: Path) -> None:
    file = RemoteFile("http://127.0.0.1:9/a.safetensors", tmp_path / "a.safetensors", tmp_path)
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9/a\.safetensors: .* 3 times in a row"):
        fetcher.fetch([file])


@pytest.mark.parametrize("url", ["{hub}/big.safetensors", "https://127.0.0.1:1/a.safetensors", "ftp://h/a.safetensors"])
def test_addresses_of_settings_files_reach_no_private_host(
    hub: FakeHub, fetcher: Downloader, tmp_path: Path, url: str
) -> None:
    file = RemoteFile(url.format(hub=hub.url), tmp_path / "a.safetensors", tmp_path, is_foreign=True)
    with pytest.raises(DownloadError, match=r"https://|private network"):
        fetcher.fetch([file])
    assert hub.requests == []


def test_a_redirect_of_a_settings_files_address_is_checked_too(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults["away.safetensors"] = Fault(status=302, headers={"Location": "file:///etc/passwd"})
    line = Line(endpoint=hub.url, allow_private=True)
    file = RemoteFile(f"{hub.url}/away.safetensors", tmp_path / "a.safetensors", tmp_path, is_foreign=True)
    with pytest.raises(DownloadError, match="only addresses that begin with https"):
        Downloader(line, patience=QUICK).fetch([file])


def test_the_token_goes_to_the_hub_alone_and_into_no_log(
    hub: FakeHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    line = Line(token=hub.token, endpoint=hub.url)
    hub.repositories["team/clips"] = {"a.safetensors": CONTENT}
    Downloader(line).fetch([remote(hub, tmp_path)])
    of_hub = line.hub_url("team/clips", "a.safetensors")
    Downloader(line).fetch([RemoteFile(of_hub, tmp_path / "a.safetensors", tmp_path, repo="team/clips")])
    given = {request[1]: request[3] for request in hub.requests}
    assert given["/big.safetensors"] is False
    assert given["/team/clips/resolve/main/a.safetensors"] is True
    assert hub.token not in caplog.text + repr(line)


def test_progress_is_told_in_words() -> None:
    progress = DownloadProgress(1_200_000_000, 28_400_000_000, 45_300_000.0, 605.0, 0, 3)
    assert progress.text == "1.20 GB of 28.4 GB, 45.3 MB/s, 10m 05s left"
    assert DownloadProgress(5, None, 0.0, None, 0, 1).text == "0.0 MB"
    meter = Speedometer(over_s=2)
    assert [meter.speed(bytes_, now) for bytes_, now in ((0, 0.0), (100, 1.0), (300, 2.0), (300, 5.0))] == [
        0.0, 100.0, 150.0, 0.0,
    ]  # fmt: skip
