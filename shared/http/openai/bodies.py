"""Bodies that come as JSON or as a form, as the SDK sends them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from shared.http.replies import unknown_fields, warn
from shared.http.server import form_of

Model = TypeVar("Model", bound=BaseModel)

_NESTED = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")


async def read_body(request: Request) -> dict[str, Any]:
    """The fields of a body; those of a form that come several times, or as `name[]`, are lists.

    Raises RequestValidationError for JSON that is none.
    """
    kind = request.headers.get("content-type", "").lower()
    if not kind.startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        return _json_body(await request.body())
    fields: dict[str, Any] = {}
    async with form_of(request) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                value = await _kept(value)
            _put(fields, name, value)
    return fields


def _json_body(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise _invalid("json_invalid", (), str(error)[:200]) from error
    if not isinstance(found, dict):
        raise _invalid("dict_type", (), "The body must be a JSON object")
    return found


async def _kept(upload: UploadFile) -> UploadFile:
    """An upload that outlives its form."""
    return UploadFile(io.BytesIO(await upload.read()), filename=upload.filename, headers=upload.headers)


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    nested = _NESTED.fullmatch(name)
    if nested is not None and nested[2]:
        inner = fields.setdefault(nested[1], {})
        if isinstance(inner, dict):
            inner[nested[2]] = value
        return
    key = nested[1] if nested is not None else name
    if nested is not None or key in fields:
        old = fields.get(key, [])
        fields[key] = [*(old if isinstance(old, list) else [old]), value]
    else:
        fields[key] = value


def checked(request: Request, model: type[Model], fields: Mapping[str, Any], files: tuple[str, ...] = ()) -> Model:
    """The fields as a request; those in `files` are read elsewhere. What nobody reads is told in a header."""
    own = {name: value for name, value in fields.items() if name not in files}
    warn(request, *unknown_fields(own, [*model.model_fields, *IGNORED]))
    try:
        return model.model_validate(own)
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error


# Fields of the API that ask for nothing that this program has.
IGNORED = ("user", "safety_identifier", "moderation", "input_fidelity", "style", "complexity", "prompt_rewriter")


def _invalid(kind: str, place: tuple[str, ...], message: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("body", *place), "msg": message}])
