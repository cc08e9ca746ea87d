"""The endpoints of the Wan service, under `/video` and again under `/v1/video`."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Response
from fastapi.exceptions import HTTPException
from starlette.requests import Request

from shared.http.auth import bearer_key, same_key
from shared.http.wan_i2v.reasons import Language, language_of, say
from shared.http.wan_i2v.schemas import (
    AliasSubmitRequest,
    CancelReply,
    IdRequest,
    RefusalReply,
    StatusReply,
    SubmitReply,
    SubmitRequest,
)
from shared.http.wan_i2v.service import NAME, VIDEOS, Refused, WanService

if TYPE_CHECKING:
    from shared.http.context import ServiceContext

PREFIXES = ("/video", "/v1/video")


def _refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": RefusalReply} for code in codes}


def language_for(request: Request) -> Language:
    """The language of the reasons in a reply."""
    return language_of(request.headers.get("accept-language"))


def refusal(status: int, reason: str) -> HTTPException:
    """A refusal as the service's clients read it."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return HTTPException(status, {"status": "Failed", "reason": reason}, headers)


def add_routes(router: APIRouter, context: ServiceContext) -> None:
    """All endpoints."""
    service = context.once(NAME, lambda: WanService(context))

    def key_needed(request: Request) -> None:
        """Asked for after the JSON is read and before its fields are checked: a 401 tells nothing of the fields."""
        given = bearer_key(request)
        if context.key and given and same_key(given, context.key):
            return
        code = "no_key_set" if not context.key else "key_wrong" if given else "key_missing"
        raise refusal(401, say(code, language_for(request)))

    needs_key = [Depends(key_needed)]
    _add_submit(router, service, needs_key)
    for prefix in PREFIXES:
        _add_others(router, service, prefix, needs_key)

    @router.get(f"/{VIDEOS}/{{name}}")
    async def video(name: str) -> Response:
        """A finished clip; 404 once it has been deleted."""
        reply = await service.shelf.reply(name)
        if reply.status_code == 404:
            raise HTTPException(404, "Not Found")
        return reply


def _add_submit(router: APIRouter, service: WanService, needs_key: Sequence[Any]) -> None:
    async def take(request: Request, wish: SubmitRequest) -> SubmitReply:
        job = await _answered(service.submit(request, wish, language_for(request)))
        return SubmitReply(requestId=job.id)

    options: dict[str, Any] = {
        "status_code": 202, "responses": _refusals(400, 401, 429, 500), "dependencies": needs_key,
    }  # fmt: skip

    @router.post("/video/submit", **options)
    async def submit(request: Request, wish: SubmitRequest) -> SubmitReply:
        """Queue a clip made from a picture."""
        return await take(request, wish)

    @router.post("/v1/video/submit", **options)
    async def submit_more(request: Request, wish: AliasSubmitRequest) -> SubmitReply:
        """Queue a clip; the sizes of the 720P models are accepted too."""
        return await take(request, wish)


def _add_others(router: APIRouter, service: WanService, prefix: str, needs_key: Sequence[Any]) -> None:
    @router.post(f"{prefix}/status", responses=_refusals(401, 404), dependencies=needs_key)
    async def status(request: Request, wish: IdRequest) -> StatusReply:
        """Where a clip stands, and its address when it is finished."""
        language = language_for(request)
        job = await _answered(service.job(wish.requestId, language))
        return service.reply(job, request, language)

    @router.post(f"{prefix}/cancel", responses=_refusals(400, 401, 404), dependencies=needs_key)
    async def cancel(request: Request, wish: IdRequest) -> CancelReply:
        """Take a waiting clip out of the queue; one that is being made goes on."""
        language = language_for(request)
        job = await _answered(service.job(wish.requestId, language))
        await _answered(service.cancel(job, language))
        return CancelReply()


async def _answered(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except Refused as refused:
        raise refusal(refused.status, refused.reason) from refused
