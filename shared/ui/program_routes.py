"""The addresses of the settings' tab: what the program's settings are, changing them, starting anew."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from shared.core.errors import SettingsError, WanGPError
from shared.core.program_settings import PROGRAM_SETTINGS, ProgramSetting, problem_with, setting_of, suggested_profile
from shared.ui.texts import program_text, say, term

NEVER = {"Cache-Control": "no-store"}
_OWN_SITE = ("same-origin", "none", "")


def add_program_routes(router: APIRouter, runtime: Any) -> None:
    """Add them to the page's router."""

    def change_allowed(request: Request) -> None:
        if request.headers.get("sec-fetch-site", "") not in _OWN_SITE:
            raise HTTPException(403, "Settings are changed from the page alone.")
        if runtime.args.lock_config:
            raise HTTPException(403, say("config_locked"))

    @router.get("/config")
    def settings() -> JSONResponse:
        machine = runtime.machine()
        body = {
            "settings": [_described(runtime, setting) for setting in PROGRAM_SETTINGS],
            "locked": bool(runtime.args.lock_config),
            "machine": machine,
            "suggested_profile": suggested_profile(machine["card_bytes"], machine["memory_bytes"]),
        }
        return JSONResponse(body, headers=NEVER)

    @router.post("/config", dependencies=[Depends(change_allowed)])
    def change(values: Annotated[dict[str, Any], Body()]) -> JSONResponse:
        problems = {name: problem for name, value in values.items() if (problem := _problem(name, value))}
        if problems:
            return JSONResponse({"problems": problems}, status_code=422)
        try:
            runtime.config.update(**{name: setting_of(name).param.normalize(value) for name, value in values.items()})
        except (WanGPError, OSError) as error:
            return JSONResponse({"problems": {"": str(error)}}, status_code=507)
        runtime.registry.finder().refresh()
        return JSONResponse({"restart": [name for name in values if setting_of(name).needs_restart]})

    @router.post("/restart", dependencies=[Depends(change_allowed)])
    def start_again(request: Request) -> Response:
        request.app.state.restart()
        return Response(status_code=202)

    @router.get("/machine")
    def machine() -> JSONResponse:
        return JSONResponse(runtime.machine(), headers=NEVER)


def _problem(name: str, value: Any) -> str | None:
    try:
        return problem_with(name, value)
    except SettingsError as error:
        return str(error)


def _described(runtime: Any, setting: ProgramSetting) -> dict[str, Any]:
    """A setting as the browser draws it; of a secret one only whether there is one."""
    param, value = setting.param, runtime.config.get(setting.param.name)
    label, help_text = program_text(param)
    return {
        "name": param.name,
        "section": setting.section,
        "label": label,
        "help": help_text,
        "type": param.type,
        "choices": [[term(str(label)), value] for label, value in param.choices],
        "minimum": param.minimum,
        "maximum": param.maximum,
        "step": param.step,
        "unit": param.unit,
        "value": "" if setting.is_secret else value,
        "is_set": bool(value),
        "is_secret": setting.is_secret,
        "needs_restart": setting.needs_restart,
        "is_overridden": runtime.config.is_overridden(param.name),
    }
