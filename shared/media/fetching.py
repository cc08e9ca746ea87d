"""Downloads from and messages to addresses that strangers name: bounded in bytes and time, not into private networks.

The host name is looked up once, every address is checked, and the connection goes to the checked address itself, so
that a name cannot lead elsewhere the second time. Each redirect is checked the same way.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from shared.core.errors import MediaError

MAX_REDIRECTS = 5
BLOCK = 65536
USER_AGENT = "WanGP"
URL_SAFE = "/?%:@!$&'()*+,;=~[]"
NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _system_resolve(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Network:
    """How names are looked up and connections are made; the system's own unless a test says otherwise."""

    resolve: Callable[[str, int], list[str]] = _system_resolve
    connect: Callable[..., socket.socket] = socket.create_connection


def fetch(
    url: str, *, max_bytes: int, timeout_s: float = 20.0, allow_private: bool = False, network: Network | None = None
) -> bytes:
    """The content behind an http or https address.

    `timeout_s` bounds the whole, redirects included. Raises MediaError for an address that is malformed, private
    (unless allowed), cannot be reached, answers with an error, is too slow or holds more than `max_bytes`.
    """
    deadline = time.monotonic() + timeout_s
    system = network or Network()
    for _ in range(MAX_REDIRECTS + 1):
        parts = _checked_url(url)
        addresses = _addresses(parts, system, deadline, allow_private)
        answer = _get(parts, addresses, system, deadline, max_bytes)
        if isinstance(answer, bytes):
            return answer
        url = urljoin(url, answer.location)
    raise MediaError(f"{shown(url)}: more than {MAX_REDIRECTS} redirects.")


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float = 15.0,
    allow_private: bool = False,
    network: Network | None = None,
) -> int:
    """Hand `body` to an http or https address, under the rules of `fetch`; the status it answers.

    A redirect is not followed, and no more than the head of the answer is read. Raises MediaError for an address that
    is malformed, private (unless allowed), cannot be reached or is too slow.
    """
    deadline = time.monotonic() + timeout_s
    system, parts = network or Network(), _checked_url(url)
    addresses = _addresses(parts, system, deadline, allow_private)
    with _conversation(parts, addresses, system, deadline) as connection:
        connection.request("POST", _target(parts), body, {"User-Agent": USER_AGENT, **headers})
        return connection.getresponse().status


@dataclass(frozen=True)
class _Redirect:
    location: str


def shown(url: str) -> str:
    """An address as it may appear in a message: without name and password, not too long."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return repr(url[:100])
    return f"{parts.scheme}://{host}{port}{parts.path}"[:200]


def _checked_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise MediaError(f"{url[:100]!r} is not a web address.") from exc
    if parts.scheme not in ("http", "https") or not host:
        raise MediaError(f"{url[:100]!r} is not accepted; give an address that begins with http:// or https://.")
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise MediaError(f"{shown(url)!r} holds spaces or control characters, which an address must not.")
    return parts


def is_public(address: str) -> bool:
    """Whether an IP address is out in the internet: not loopback, private, link-local, reserved or multicast."""
    ip: Address = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _addresses(parts: SplitResult, network: Network, deadline: float, allow_private: bool) -> list[str]:
    host = parts.hostname or ""
    found = _resolved(host, _port(parts), network, deadline)
    if not found:
        raise MediaError(f"{shown(parts.geturl())}: the host {host} was not found.")
    if not allow_private and not all(is_public(address) for address in found):
        raise MediaError(
            f"{shown(parts.geturl())}: this address leads into the private network of the server and is refused. "
            "Start the program with --allow-private-urls to allow it."
        )
    return found


def _resolved(host: str, port: int, network: Network, deadline: float) -> list[str]:
    """Look the name up in a thread, because the system's lookup cannot be bounded in time."""
    found: list[str] = []

    def look_up() -> None:
        with suppress(OSError, UnicodeError):
            found.extend(network.resolve(host, port))

    thread = threading.Thread(target=look_up, daemon=True, name="name-lookup")
    thread.start()
    thread.join(max(deadline - time.monotonic(), 0))
    return list(found)


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _get(
    parts: SplitResult, addresses: list[str], network: Network, deadline: float, max_bytes: int
) -> bytes | _Redirect:
    with _conversation(parts, addresses, network, deadline) as connection:
        connection.request("GET", _target(parts), headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        return _content(connection.getresponse(), shown(parts.geturl()), max_bytes, deadline)


def _target(parts: SplitResult) -> str:
    query = f"?{quote(parts.query, safe=URL_SAFE)}" if parts.query else ""
    return quote(parts.path or "/", safe=URL_SAFE) + query


@contextmanager
def _conversation(
    parts: SplitResult, addresses: list[str], network: Network, deadline: float
) -> Iterator[http.client.HTTPConnection]:
    """A connection that is cut at the deadline; what goes wrong on it is a MediaError."""
    name = shown(parts.geturl())
    connection = http.client.HTTPConnection(parts.hostname or "", _port(parts))
    watchdog: threading.Timer | None = None
    try:
        sock = _connected(parts, addresses, network, deadline)
        connection.sock = sock
        watchdog = threading.Timer(max(deadline - time.monotonic(), 0), _shut, [sock])
        watchdog.daemon = True
        watchdog.start()
        connection.default_port = _port(parts) if parts.port is None else connection.default_port
        yield connection
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as exc:
        raise (
            _too_slow(name) if time.monotonic() >= deadline else MediaError(f"{name}: cannot be reached ({exc}).")
        ) from exc
    finally:
        if watchdog is not None:
            watchdog.cancel()
        connection.close()


def _connected(parts: SplitResult, addresses: list[str], network: Network, deadline: float) -> socket.socket:
    """A connection to the first checked address that answers, encrypted for the host that was named."""
    failure: OSError | None = None
    for address in addresses:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            break
        try:
            sock = network.connect((address, _port(parts)), remaining)
        except OSError as exc:
            failure = exc
            continue
        if parts.scheme == "https":
            return ssl.create_default_context().wrap_socket(sock, server_hostname=parts.hostname)
        return sock
    raise failure or TimeoutError("no answer")


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _content(response: http.client.HTTPResponse, name: str, max_bytes: int, deadline: float) -> bytes | _Redirect:
    if response.status in (301, 302, 303, 307, 308) and response.headers.get("Location"):
        return _Redirect(response.headers["Location"])
    if response.status != 200:
        raise MediaError(f"{name}: the server answered {response.status} {response.reason}.")
    if response.length is not None and response.length > max_bytes:
        raise _too_large(name, max_bytes)
    expected, data = response.length, bytearray()
    while block := response.read1(BLOCK):
        data += block
        if len(data) > max_bytes:
            raise _too_large(name, max_bytes)
    if time.monotonic() >= deadline:
        raise _too_slow(name)
    if expected is not None and len(data) < expected:
        raise MediaError(f"{name}: the connection ended after {len(data)} of {expected} bytes.")
    return bytes(data)


def _too_large(name: str, max_bytes: int) -> MediaError:
    return MediaError(f"{name}: the file is larger than {max_bytes / 2**20:g} MB, which is the most that is accepted.")


def _too_slow(name: str) -> MediaError:
    return MediaError(f"{name}: the answer took too long.")
