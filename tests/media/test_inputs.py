"""What strangers hand in: base64, data URIs, web addresses; limits and the private network."""

from __future__ import annotations

import base64
import hashlib
import io
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from shared.core.errors import MediaError
from shared.media.audio import AudioClip, write_audio
from shared.media.fetching import Network, fetch, is_public
from shared.media.inputs import ALL_KINDS, Limits, save_input
from shared.media.video import write_video
from tests.media.conftest import numbered_frames


def png_bytes():
    buffer = io.BytesIO()
    Image.fromarray(numbered_frames(1)[0]).save(buffer, "PNG")
    return buffer.getvalue()


PNG = png_bytes()


class Site(BaseHTTPRequestHandler):
    """A small web site with good and bad pages."""

    def do_GET(self):
        page = self.path.split("?")[0].strip("/").replace("-", "_")
        getattr(self, f"page_{page}", self.page_missing)()

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in ({"Content_Length": len(body)} | headers).items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def page_image(self):
        self.answer(PNG)

    def page_text(self):
        self.answer(b"hello there, no picture")

    def page_missing(self):
        self.answer(b"", 404)

    def page_huge(self):
        self.answer(b"", Content_Length=10**9)

    def page_endless(self):
        self.answer(b"", Content_Length=None)
        for _ in range(200):
            self.wfile.write(bytes(65536))

    def page_slow(self):
        self.answer(b"", Content_Length=100)
        for _ in range(50):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)

    def page_slow_head(self):
        for _ in range(50):
            self.wfile.write(b"H")
            self.wfile.flush()
            time.sleep(0.05)

    def page_cut(self):
        self.answer(PNG[:100], Content_Length=len(PNG))

    def page_loop(self):
        self.answer(b"", 302, Location="/loop")

    def page_moved(self):
        self.answer(b"", 301, Location="image?size=1")

    def page_inside(self):
        self.answer(b"", 302, Location="http://inside.test/image")

    def page_file(self):
        self.answer(b"", 302, Location="file:///etc/passwd")

    def log_message(self, *_):
        """Silence."""


@pytest.fixture(scope="module")
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


OPEN = Limits(allow_private=True)


def test_every_form_of_the_same_picture_is_one_file(tmp_path, site):
    text = base64.b64encode(PNG).decode()
    wrapped = "\n".join(text[at : at + 60] for at in range(0, len(text), 60))
    for_urls = base64.urlsafe_b64encode(PNG).decode()
    for source in (PNG, text, wrapped, text.rstrip("="), for_urls, f"data:image/png;base64,{text}", f"{site}/image"):
        path = save_input(source, tmp_path, OPEN)
        assert path.read_bytes() == PNG
        assert path == tmp_path / f"{hashlib.sha256(PNG).hexdigest()[:40]}.png"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_extension_is_that_of_the_content(tmp_path):
    uri = "data:text/html;base64," + base64.b64encode(PNG).decode()
    assert save_input(uri, tmp_path).suffix == ".png"


def test_clips_and_sounds_are_taken_where_they_are_wanted(tmp_path):
    clip = write_video(numbered_frames(3), tmp_path / "a.mp4", 8).read_bytes()
    sound = write_audio(AudioClip(np.zeros((800, 1), np.float32), 8000), tmp_path / "a.wav").read_bytes()
    limits = Limits(kinds=ALL_KINDS)
    assert save_input(clip, tmp_path / "in", limits).suffix == ".mp4"
    assert save_input(sound, tmp_path / "in", limits).suffix == ".wav"
    for data in (clip, sound):
        with pytest.raises(MediaError, match="a picture is needed"):
            save_input(data, tmp_path / "in")
    with pytest.raises(MediaError, match="over the 0 million pixels"):
        save_input(clip, tmp_path / "other", Limits(kinds=ALL_KINDS, max_pixels=100))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "neither base64 nor"),
        ("hello", "neither base64 nor"),
        ("not base64 !!!! at all, really not", "neither base64 nor"),
        ("A" * 41, "damaged or cut short"),
        (base64.b64encode(b"some plain text that is no image").decode(), "this is a text file; a picture is needed"),
        ("data:image/png;base64,####", "damaged"),
        ("file:///etc/passwd", "is not accepted"),
        ("ftp://example.com/a.png", "is not accepted"),
        ("/etc/passwd", "neither base64 nor"),
        (b"", "an empty file"),
        (PNG[:200], "damaged or cut short"),
    ],
)
def test_what_is_no_picture_is_refused_and_leaves_nothing(tmp_path, source, message):
    with pytest.raises(MediaError, match=message) as raised:
        save_input(source, tmp_path)
    assert str(tmp_path) not in str(raised.value) and list(tmp_path.iterdir()) == []


def test_paths_are_taken_only_where_they_are_allowed(tmp_path):
    path = tmp_path / "mine.png"
    path.write_bytes(PNG)
    assert save_input(str(path), tmp_path, Limits(allow_paths=True)) == path
    with pytest.raises(MediaError, match="neither base64 nor"):
        save_input(str(path), tmp_path)
    (tmp_path / "fake.png").write_text("hello")
    with pytest.raises(MediaError, match=r"fake\.png: this is a text file"):
        save_input(str(tmp_path / "fake.png"), tmp_path, Limits(allow_paths=True))


def test_too_many_bytes_are_refused_in_every_form(tmp_path, site):
    limits = Limits(max_bytes=1000, allow_private=True)
    noise = np.random.default_rng(0).integers(0, 255, 1200, np.uint8).tobytes()
    text = base64.b64encode(noise).decode()
    for source in (noise, text, "data:image/png;base64," + text, f"{site}/huge", f"{site}/endless"):
        with pytest.raises(MediaError, match="larger than"):
            save_input(source, tmp_path, limits)


def test_too_many_pixels_are_refused(tmp_path):
    with pytest.raises(MediaError, match="the input: 96x64 is"):
        save_input(PNG, tmp_path, Limits(max_pixels=6000))


@pytest.mark.parametrize(
    ("page", "message"),
    [("missing", "answered 404"), ("text", "this is a text file"), ("loop", "more than 5 redirects"),
     ("cut", "ended after 100 of"), ("file", "is not accepted")],
)  # fmt: skip
def test_bad_answers_are_told(tmp_path, site, page, message):
    with pytest.raises(MediaError, match=message):
        save_input(f"{site}/{page}", tmp_path, OPEN)


def test_redirects_are_followed(tmp_path, site):
    assert save_input(f"{site}/moved", tmp_path, OPEN).read_bytes() == PNG


@pytest.mark.parametrize("page", ["slow", "slow-head"])
def test_a_slow_server_is_given_up_in_time(site, page):
    started = time.monotonic()
    with pytest.raises(MediaError, match="took too long"):
        fetch(f"{site}/{page}", max_bytes=1000, timeout_s=0.4, allow_private=True)
    assert time.monotonic() - started < 2


def test_a_slow_name_lookup_is_given_up_in_time():
    network = Network(resolve=lambda host, port: time.sleep(5) or ["8.8.8.8"])
    started = time.monotonic()
    with pytest.raises(MediaError, match="was not found"):
        fetch("http://slow.test/", max_bytes=10, timeout_s=0.2, network=network)
    assert time.monotonic() - started < 2


def test_an_unknown_host_and_a_closed_port_are_told():
    def unknown(host, port):
        raise socket.gaierror(8, "unknown")

    with pytest.raises(MediaError, match=r"the host gone\.test was not found"):
        fetch("http://gone.test/a", max_bytes=10, network=Network(resolve=unknown))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(MediaError, match="cannot be reached"):
        fetch(f"http://127.0.0.1:{port}/", max_bytes=10, allow_private=True)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.169.254", "0.0.0.0", "[::1]",
     "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "127.1", "100.64.0.1", "224.0.0.1",
     "[64:ff9b::7f00:1]"],
)  # fmt: skip
def test_private_addresses_are_refused_in_every_spelling(host):
    def connect(*_):
        raise AssertionError("a connection was tried")

    with pytest.raises(MediaError, match=r"private network|was not found"):
        fetch(f"http://{host}/a", max_bytes=10, network=Network(connect=connect))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_public(address):
    assert is_public(address)


class FakeInternet:
    """Names with public addresses, all of them served by the local site; remembers what was asked."""

    def __init__(self, site, names):
        self.port = int(site.rsplit(":", 1)[1])
        self.names, self.lookups, self.connections = names, [], []

    def resolve(self, host, port):
        self.lookups.append(host)
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, address, timeout):
        self.connections.append(address)
        return socket.create_connection(("127.0.0.1", self.port), timeout)


def get(internet, url):
    return fetch(url, max_bytes=10**6, network=Network(internet.resolve, internet.connect))


def test_the_connection_goes_to_the_checked_address_looked_up_once(site):
    internet = FakeInternet(site, {"change.test": [["8.8.8.8"], ["127.0.0.1"]]})
    assert get(internet, "http://change.test/image") == PNG
    assert internet.connections == [("8.8.8.8", 80)] and internet.lookups == ["change.test"]


def test_a_redirect_into_the_private_network_is_refused(site):
    internet = FakeInternet(site, {"outside.test": [["8.8.8.8"]], "inside.test": [["10.0.0.5"]]})
    with pytest.raises(MediaError, match=r"inside\.test.*private network"):
        get(internet, "http://outside.test/inside")
    assert internet.connections == [("8.8.8.8", 80)]


def test_a_name_with_one_private_address_among_public_ones_is_refused(site):
    internet = FakeInternet(site, {"mixed.test": [["8.8.8.8", "192.168.1.1"]]})
    with pytest.raises(MediaError, match="private network"):
        get(internet, "http://mixed.test/image")
    assert internet.connections == []


def test_a_name_that_changes_at_a_redirect_is_checked_again(site):
    internet = FakeInternet(site, {"rebind.test": [["8.8.8.8"], ["127.0.0.1"]]})
    with pytest.raises(MediaError, match="private network"):
        get(internet, "http://rebind.test/moved")


def test_passwords_in_an_address_do_not_appear_in_messages(site):
    internet = FakeInternet(site, {"site.test": [["8.8.8.8"]]})
    with pytest.raises(MediaError) as raised:
        get(internet, "http://user:secret@site.test/missing?token=hidden")
    assert "secret" not in str(raised.value) and "hidden" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://", "http:///a", "http://[::1", "http://a:99999/", "http://a/\r\nX: y", "gopher://a/"]
)
def test_malformed_addresses_are_refused(url):
    with pytest.raises(MediaError):
        fetch(url, max_bytes=10)
