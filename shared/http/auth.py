"""Keys of the HTTP services."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request


def same_key(given: str, key: str) -> bool:
    """Whether two keys are equal; the time it takes tells nothing of where they differ, nor of their lengths."""
    digests = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (given, key)]
    return hmac.compare_digest(*digests)


def header_key(name: str) -> Callable[[Request], str]:
    """Reads a key that is the whole value of a header."""

    def read(request: Request) -> str:
        return request.headers.get(name, "")

    return read


def bearer_key(request: Request) -> str:
    """The key of `Authorization: Bearer KEY`; the scheme in any case, "" for another scheme or none."""
    scheme, _, key = request.headers.get("authorization", "").strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def any_key(request: Request) -> str:
    """The key in either form: `Authorization: Bearer KEY` or `X-API-KEY: KEY`."""
    return bearer_key(request) or request.headers.get("x-api-key", "")


@dataclass(frozen=True)
class KeyRule:
    """How a service asks for the key of `--apikey`.

    `read` gives what the client presents ("": nothing), `refuse` raises for a key that is absent ("") or wrong.
    `needs_key`: without `--apikey` every call is refused; else the service is open then.
    """

    read: Callable[[Request], str]
    refuse: Callable[[str], None]
    needs_key: bool = False

    def check(self, request: Request, key: str) -> None:
        """Raise for a request that does not bring `key`."""
        if not key and not self.needs_key:
            return
        given = self.read(request)
        if not (key and given and same_key(given, key)):
            self.refuse(given)


def sign(body: bytes, key: str) -> str:
    """The value of X-WanGP-Signature for a webhook's body: `sha256=` and the HMAC in hexadecimal."""
    return "sha256=" + hmac.new(key.encode("utf-8", "replace"), body, hashlib.sha256).hexdigest()
