"""`generate_video` as a plain program calls it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.core.settings import DECLARATIONS
from shared.core.state import AppState, GenState, headless_state
from shared.engine.generate import generate_media, generate_preview, generate_video
from shared.media.video import read_frames
from tests.fakes.engine import Engine, make_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return make_engine(tmp_path)


class Program:
    """A program that calls generate_video and keeps the commands it hears."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.state = engine, headless_state()
        self.commands: list[tuple[str, Any]] = []
        self.on_command = lambda command, data: None

    def __call__(self, **settings: Any) -> bool:
        task = {"id": 3, "params": {"model_type": "squares", "prompt": "a red ball"}}
        return generate_video(task, self.hear, self.state, services=self.engine.services, **settings)

    def hear(self, command: str, data: Any = None) -> None:
        self.commands.append((command, data))
        self.on_command(command, data)

    def of(self, command: str) -> list[Any]:
        return [data for name, data in self.commands if name == command]

    @property
    def gen(self) -> GenState:
        return GenState(AppState(self.state).gen)


@pytest.fixture
def program(engine: Engine) -> Program:
    return Program(engine)


def test_its_arguments_are_every_setting_by_name() -> None:
    arguments = inspect.signature(generate_video).parameters

    assert list(arguments)[:3] == ["task", "send_cmd", "state"]
    assert set(DECLARATIONS) <= set(arguments)
    assert {"plugin_data", "client_id", "mode", "model_type", "model_filename", "MMAudio_setting", "slg_switch"} <= set(
        arguments
    )
    assert arguments["num_inference_steps"].default == DECLARATIONS["num_inference_steps"].default
    assert generate_media is generate_video


def test_it_returns_true_and_lists_the_file(program: Program) -> None:
    assert program(seed=5) is True

    (path,) = program.gen.file_list
    assert len(read_frames(path)[0]) == 9
    assert program.gen.file_settings_list[0]["seed"] == 5
    assert program.commands[-1] == ("exit", None) and program.of("output") == [None]
    assert not GenState.in_progress.is_in(program.gen)


def test_named_arguments_go_before_the_params_of_the_task(program: Program) -> None:
    program(prompt="a blue ring", video_length=5, image_start=None)

    assert program.engine.pipeline.requests[0].prompt == "a blue ring"
    assert program.engine.pipeline.requests[0].num_frames == 5


def test_progress_has_the_published_forms(program: Program) -> None:
    program()

    counted = [data for data in program.of("progress") if isinstance(data[0], tuple)]
    assert [data[0] for data in counted] == [(1, 3), (2, 3), (3, 3)]
    assert counted[0][1].startswith("Denoising | ") and counted[0][2] == 3
    open_ended = [data for data in program.of("progress") if not isinstance(data[0], tuple)]
    assert open_ended[0][0] == 0 and open_ended[0][1].startswith("Loading model")


def test_previews_are_latents_that_become_a_wide_picture(program: Program) -> None:
    program()

    latents = program.of("preview")[0]
    assert latents.shape[0] == 3
    picture = generate_preview("squares", {"latents": latents}, services=program.engine.services)
    assert isinstance(picture, Image.Image) and picture.size == (9 * 64, 48)
    assert generate_preview("another", latents, services=program.engine.services) is None


def test_a_failure_is_an_error_command_and_false(program: Program) -> None:
    assert program(num_inference_steps=0) is False

    assert [name for name, _ in program.commands][-2:] == ["error", "exit"]
    assert "num_inference_steps" in program.of("error")[0]


def test_an_error_of_the_program_is_told_too(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    program.engine.pipeline.fail_with = ZeroDivisionError("oops")

    assert program() is False
    assert "oops" in program.of("error")[0] and "Traceback" in caplog.text


def test_the_abort_key_ends_it_at_the_next_step(program: Program) -> None:
    def abort(command: str, data: Any) -> None:
        if command == "progress" and data[0] == (1, 30):
            program.gen.abort = True

    program.on_command = abort

    assert program(num_inference_steps=30) is False
    assert program.of("error") == ["Generation was cancelled"]
    assert len([data for data in program.of("progress") if isinstance(data[0], tuple)]) == 1
    assert program.gen.abort is False


def test_the_pause_message_holds_it_until_resume(program: Program) -> None:
    def pause(command: str, data: Any) -> None:
        if command == "progress" and data[0] == (1, 3):
            program.gen.pause_msg = "Held by another program"
        if command == "status" and data == "Paused":
            program.gen.resume = True

    program.on_command = pause

    assert program() is True
    assert "Paused" in program.of("status") and program.gen.pause_msg == ""


def test_extra_orders_and_windows_are_taken_from_the_state(program: Program) -> None:
    def ask(command: str, data: Any) -> None:
        if command == "progress" and data[0] == (1, 3) and (program.gen.repeat_no, program.gen.window_no) == (1, 1):
            program.gen.extra_orders = program.gen.extra_windows = 1

    program.on_command = ask

    assert program(video_length=17, seed=1) is True
    assert [len(read_frames(path)[0]) for path in program.gen.file_list] == [29, 17]
    assert program.gen.extra_orders == 0


def test_the_place_in_the_plan_is_in_the_state(program: Program) -> None:
    seen = set()

    def look(command: str, data: Any) -> None:
        gen = program.gen
        if command == "progress":
            seen.add((gen.prompt_no, gen.prompts_max, gen.repeat_no, gen.total_generation, gen.window_no))

    program.on_command = look
    program(prompt="a\n\nb", repeat_generation=2, video_length=29)

    assert {(1, 2, 1, 2, 1), (1, 2, 1, 2, 2), (2, 2, 2, 2, 2)} <= seen
    assert program.gen.sliding_window is True and program.gen.total_windows == 2


def test_the_last_clip_of_the_state_is_continued(program: Program) -> None:
    program(seed=1)
    program(seed=2, image_prompt_type="L")

    first, second = (read_frames(path)[0] for path in program.gen.file_list)
    assert len(second) == 9 + 8
    np.testing.assert_array_equal(second[:9], first)


def test_an_unknown_argument_is_told(program: Program) -> None:
    assert program(flux_capacitor=1.21) is True

    assert any("flux_capacitor" in text for text in program.of("info"))


def test_arguments_of_earlier_versions_are_understood(program: Program) -> None:
    assert program(multi_prompts_gen_type=0, force_fps=12, prompt="a\nb") is True

    assert len(program.gen.file_list) == 2
    assert read_frames(program.gen.file_list[0])[1] == 12
