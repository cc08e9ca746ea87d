"""What replies of all services share: errors, headers for what the user should know, pictures in other formats."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse

from shared.core.errors import ModelNotFound, QueueError, SettingsError, WanGPError
from shared.http.inputs import FieldError
from shared.http.jobs import KeyReused, QueueFull

_UNPRINTABLE = re.compile(r"[^ -~]")
WARNINGS_HEADER = "X-WanGP-Warnings"
NOTE_HEADER = "X-WanGP-Note"
LONGEST_HEADER = 2000
LONGEST_ECHO = 200
MOST_ERRORS = 20


class JSONReply(JSONResponse):
    """JSON in ASCII: whatever text a client sent can be told back; numbers that JSON lacks become null."""

    def render(self, content: Any) -> bytes:
        """The body."""
        try:
            return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
        except ValueError:
            return json.dumps(plain(content), separators=(",", ":")).encode()


def plain(value: Any) -> Any:
    """`value` as JSON can hold it, long texts cut short."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_ECHO else value[:LONGEST_ECHO] + "..."
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key)[:LONGEST_ECHO]: plain(item) for key, item in list(value.items())[:MOST_ERRORS]}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in list(value)[:MOST_ERRORS]]
    return str(value)[:LONGEST_ECHO]


def validation_details(error: RequestValidationError) -> list[dict[str, Any]]:
    """The entries of a 422, as FastAPI words them, without the megabytes that the client sent."""
    kept = ("type", "loc", "msg", "input", "ctx")
    return [{key: plain(item[key]) for key in kept if key in item} for item in error.errors()[:MOST_ERRORS]]


def field_details(error: FieldError) -> list[dict[str, Any]]:
    """The entry of a 422 for a field that passed the schema but cannot be used."""
    return [{"type": "value_error", "loc": ["body", *error.field], "msg": str(error)}]


def status_of(error: WanGPError) -> int:
    """The HTTP status of an error of the program."""
    if isinstance(error, QueueFull):
        return 429
    if isinstance(error, (KeyReused, FieldError, SettingsError, ModelNotFound)):
        return 422
    return 503 if isinstance(error, QueueError) else 400


def header_text(parts: Iterable[str]) -> str:
    """Sentences as one header value: printable ASCII, bounded."""
    text = " | ".join(" ".join(part.split()) for part in dict.fromkeys(parts) if part)
    plain_text = text.encode("ascii", "backslashreplace").decode()
    return _UNPRINTABLE.sub("?", plain_text)[:LONGEST_HEADER].strip()


def warn(request: Request, *sentences: str) -> None:
    """Tell the client in X-WanGP-Warnings of something that was ignored or replaced."""
    _collected(request, "warnings").extend(sentences)


def note(request: Request, *sentences: str) -> None:
    """Tell the client in X-WanGP-Note how the result differs from what was asked for."""
    _collected(request, "notes").extend(sentences)


def collected_headers(request: Request) -> dict[str, str]:
    """The headers for what `warn` and `note` have gathered."""
    found = {WARNINGS_HEADER: _collected(request, "warnings"), NOTE_HEADER: _collected(request, "notes")}
    return {name: text for name, sentences in found.items() if (text := header_text(sentences))}


def _collected(request: Request, name: str) -> list[str]:
    found: list[str] | None = getattr(request.state, name, None)
    if found is None:
        found = []
        setattr(request.state, name, found)
    return found


def unknown_fields(given: Iterable[str], known: Sequence[str]) -> list[str]:
    """A sentence for each field that no one reads, with the name that was probably meant."""
    sentences = []
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name[:80], known, n=1, cutoff=0.75)
            hint = f" Did you mean {near[0]}?" if near else ""
            sentences.append(f"{name[:80]} is not known and has no effect.{hint}")
    return sentences[:MOST_ERRORS]


def unknown_in(model: BaseModel) -> list[str]:
    """The same for a model with `extra="allow"` and the models in it."""
    sentences = unknown_fields(model.model_extra or {}, list(type(model).model_fields))
    for name in type(model).model_fields:
        value = getattr(model, name)
        inner = value if isinstance(value, list) else [value]
        for item in inner[:MOST_ERRORS]:
            if isinstance(item, BaseModel):
                sentences += [f"{name}: {sentence}" for sentence in unknown_in(item)]
    return sentences
