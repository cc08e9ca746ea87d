"""A port to listen on, opened before anything is built, so that a taken one is told at once."""

from __future__ import annotations

import errno
import os
import socket

from shared.core.errors import WanGPError

EVERY_ADDRESS = "0.0.0.0"
# Clients poll every few seconds: a connection that is let go after uvicorn's usual 5 s often breaks under their hands.
KEEP_ALIVE_S = 65


class PortError(WanGPError):
    """A port that cannot be listened on; `reason` is the system's, `is_taken` whether another program has it."""

    def __init__(self, host: str, port: int, flag: str, error: OSError) -> None:
        self.host, self.port, self.is_taken = host, port, error.errno == errno.EADDRINUSE
        self.reason = str(error.strerror or error)
        super().__init__(
            f"Port {port} of {host} is already in use. Choose another one with {flag}."
            if self.is_taken
            else f"{host}:{port} cannot be listened on: {self.reason}. Choose another --server-name or {flag}."
        )


def open_port(host: str, port: int, flag: str = "--server-port") -> socket.socket:
    """A listening socket. Raises PortError, which names `flag` as what to change, when there is none."""
    try:
        # With the protocol named asyncio switches Nagle's algorithm off; without it each answer waits 40 ms.
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortError(host, port, flag, error) from error
    if os.name != "nt":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise PortError(host, port, flag, error) from error
    listener.setblocking(False)
    return listener


def shown_host(host: str) -> str:
    """The host as a user of this machine types it."""
    return "localhost" if host in (EVERY_ADDRESS, "::", "") else host
