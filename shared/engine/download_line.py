"""The line to the servers: requests by huggingface_hub's own client, its token, and errors in words for a user."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from shared.core.errors import DownloadError
from shared.core.version import VERSION
from shared.media.fetching import is_public, shown

MAX_REDIRECTS = 5
_PASSING = (408, 425, 429, 500, 502, 503, 504)


MOST_ATTEMPTS = 1000
# A machine without a line does not know any host: that seldom passes, and someone waits for the answer.
UNKNOWN_HOST_ATTEMPTS = 3


class LineTrouble(Exception):
    """A trouble that may pass: the line was cut, the server is busy.

    `wait_s` is how long it asks to be left alone, `attempts` how often it is worth asking at most.
    """

    def __init__(self, reason: str, wait_s: float = 0.0, attempts: int = MOST_ATTEMPTS) -> None:
        super().__init__(reason)
        self.wait_s, self.attempts = wait_s, attempts


@dataclass(frozen=True)
class Line:
    """How servers are reached.

    `endpoint` is the Hub or a mirror of it ("": HF_ENDPOINT, else huggingface.co), `token` the user's ("": that of the
    environment or of `hf auth login`). `allow_private` lets addresses from settings files lead to http and private
    hosts. `timeout_s` bounds the wait for any single piece, not a whole download.
    """

    token: str = field(default="", repr=False)
    endpoint: str = ""
    offline: bool = False
    allow_private: bool = False
    timeout_s: float = 15.0

    @property
    def hub(self) -> str:
        """The address of the Hub or its mirror."""
        return (self.endpoint or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")

    @property
    def is_offline(self) -> bool:
        """Whether downloads are switched off, here or by HF_HUB_OFFLINE."""
        return self.offline or constants.is_offline_mode()

    def check_online(self, what: str) -> None:
        """Raise DownloadError when downloads are switched off; `what` is missing."""
        if self.is_offline:
            raise DownloadError(
                f"{what}: its files are not on disk, and downloads are switched off (offline mode: the flag --offline, "
                '"offline" in wgp_config.json, or HF_HUB_OFFLINE). Switch it off, or copy the files there.'
            )

    def repository(self, repo: str, revision: str = "") -> Any:
        """The listing of a repository: `sha`, and `siblings` with sizes and checksums. Raises as `open`."""
        api = HfApi(endpoint=self.hub, token=self._token)
        with _in_words(repo, self.hub, bool(build_hf_headers(token=self._token).get("authorization"))):
            return api.model_info(repo, revision=revision or None, files_metadata=True, timeout=self.timeout_s)

    def hub_url(self, repo: str, name: str, revision: str = "") -> str:
        """The address of a file of a repository."""
        url = hf_hub_url(repo, name, revision=revision or None)
        return self.hub + url[len(constants.ENDPOINT) :]

    def read(self, url: str, repo: str, limit: int = 16 * 2**20) -> bytes:
        """A small file of a repository. Raises as `open`."""
        with self.open(url, {}, repo=repo) as response:
            content = bytearray()
            for chunk in _chunks(response, repo):
                content += chunk
                if len(content) > limit:
                    raise DownloadError(
                        f"{shown(url)}: it is larger than the {limit // 2**20} MB that such a file has."
                    )
            return bytes(content)

    @contextmanager
    def open(
        self, url: str, headers: Mapping[str, str], *, repo: str = "", strict: bool = False
    ) -> Iterator[httpx2.Response]:
        """The answer to a GET, its body not read yet. `repo`: the token goes with it, `strict`: a stranger named it.

        Raises DownloadError for an answer that will stay the same, LineTrouble for a trouble that may pass.
        """
        sent = build_hf_headers(token=self._token if repo else False, library_name="wangp", library_version=VERSION)
        sent |= {"Accept-Encoding": "identity", **headers}
        with _in_words(repo or shown(url), self.hub, "authorization" in sent):
            for _ in range(MAX_REDIRECTS + 1):
                if strict:
                    self._check_address(url)
                with get_session().stream(
                    "GET", url, headers=sent, timeout=self.timeout_s, follow_redirects=not strict
                ) as response:
                    if strict and response.has_redirect_location:
                        url = urljoin(url, response.headers["Location"])
                        continue
                    _check_status(response, repo or shown(url))
                    yield response
                    return
        raise DownloadError(f"{shown(url)}: more than {MAX_REDIRECTS} redirects.")

    @property
    def _token(self) -> str | None:
        return self.token or None

    def _check_address(self, url: str) -> None:
        """Refuse what an address from a settings file must not reach. A certificate binds the name from here on."""
        parts = urlsplit(url)
        if self.allow_private and parts.scheme in ("http", "https"):
            return
        if parts.scheme != "https" or not parts.hostname:
            raise DownloadError(
                f"{shown(url)}: only addresses that begin with https:// are fetched for a settings file."
            )
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
        if not all(is_public(str(entry[4][0])) for entry in found):
            raise DownloadError(
                f"{shown(url)}: this address leads into a private network and is refused. "
                "Start the program with --allow-private-urls to allow it."
            )


def _chunks(response: httpx2.Response, what: str) -> Iterator[bytes]:
    with _in_words(what, "", False):
        yield from response.iter_bytes()


def cut_off(response: httpx2.Response) -> None:
    """End a download from another thread: whoever reads it wakes up at once."""
    stream = response.extensions.get("network_stream")
    sock = stream.get_extra_info("socket") if stream is not None else None
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _check_status(response: httpx2.Response, what: str) -> None:
    """Raise what the status means."""
    status = response.status_code
    if status in _PASSING:
        raise LineTrouble(f"the server answered {status}", _retry_after(response))
    if status != 416:
        hf_raise_for_status(response)


def _retry_after(response: httpx2.Response) -> float:
    try:
        return min(float(response.headers.get("Retry-After", 0)), 60.0)
    except ValueError:
        return 0.0


@contextmanager
def _in_words(what: str, hub: str, has_token: bool) -> Iterator[None]:
    """Turn the library's errors into ours. `what` is the repository or the address."""
    try:
        yield
    except GatedRepoError as exc:
        advice = "Your token has no access yet" if has_token else "Then give a token"
        raise DownloadError(
            f"{what} is gated: its owners want their terms accepted first, at {hub}/{what}. {advice} (HF_TOKEN, "
            '"hf_token" in wgp_config.json, or: hf auth login).'
        ) from exc
    except RevisionNotFoundError as exc:
        raise DownloadError(f"{what}: the repository has no such revision. Correct the definition.") from exc
    except EntryNotFoundError as exc:
        raise DownloadError(f"{what}: the repository has no such file. Correct the definition.") from exc
    except RepositoryNotFoundError as exc:
        advice = "" if has_token else " A private one needs a token (HF_TOKEN, or: hf auth login)."
        raise DownloadError(f"{what}: there is no such repository at {hub}. Check its name.{advice}") from exc
    except HfHubHTTPError as exc:
        raise _by_status(what, exc, has_token) from exc
    except HFValidationError as exc:
        raise DownloadError(f"{what}: it is not the name of a repository (owner/name).") from exc
    except OfflineModeIsEnabled as exc:
        raise DownloadError(f"{what}: downloads are switched off (HF_HUB_OFFLINE).") from exc
    except (httpx2.TransportError, httpx2.StreamError) as exc:
        attempts = UNKNOWN_HOST_ATTEMPTS if _is_unknown_host(exc) else MOST_ATTEMPTS
        raise LineTrouble(str(exc) or type(exc).__name__, attempts=attempts) from exc
    except socket.gaierror as exc:
        raise LineTrouble(f"the host was not found ({exc.strerror})", attempts=UNKNOWN_HOST_ATTEMPTS) from exc
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as exc:
        raise DownloadError(f"{what}: the server's answer is not understood ({type(exc).__name__}).") from exc


def _by_status(what: str, error: HfHubHTTPError, has_token: bool) -> Exception:
    status = error.response.status_code
    if status in _PASSING:
        return LineTrouble(f"the server answered {status}", _retry_after(error.response))
    if status in (401, 403):
        token = "The token is not valid or has no access." if has_token else "It wants a login."
        return DownloadError(f"{what}: the server refuses it ({status}). {token}")
    if status in (404, 410):
        return DownloadError(f"{what}: it is not there ({status}). Check the address.")
    return DownloadError(f"{what}: the server answered {status}.")


def _is_unknown_host(error: BaseException) -> bool:
    """Whether a name that could not be looked up is at the bottom of an error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
