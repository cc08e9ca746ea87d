"""A task from its settings to its files, with the numpy family behind it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from shared.core.config import Config
from shared.core.contracts import WindowRequest
from shared.core.events import Output, Preview, Progress
from shared.media.metadata import read_settings
from shared.media.video import probe, read_frames
from tests.fakes.engine import Engine, make_engine, numpy_model
from tests.fakes.family import draw


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return make_engine(tmp_path)


def expected(prompt: str, seed: int, num_frames: int = 9, width: int = 64, height: int = 48) -> np.ndarray:
    return draw(WindowRequest(prompt, width, height, num_frames, 3, 4.0, seed))


def test_one_prompt_becomes_one_clip_of_just_these_frames(engine: Engine) -> None:
    outputs = engine.make("a red ball", seed=5)

    assert len(outputs) == 1 and outputs[0].media_type == "video" and outputs[0].index == 0
    frames, fps = read_frames(outputs[0].path)
    assert fps == 8
    np.testing.assert_array_equal(frames, expected("a red ball", 5))


def test_the_same_frames_come_from_the_settings_in_the_file(engine: Engine) -> None:
    first = engine.make("a red ball", repeat_generation=2, batch_size=2)
    assert len(first) == 4

    for output in first:
        embedded = read_settings(output.path)
        assert embedded is not None
        again = engine.make(**{**embedded, "prompt": embedded["prompt"]})
        assert len(again) == 1
        np.testing.assert_array_equal(read_frames(again[0].path)[0], read_frames(output.path)[0])


def test_samples_have_seeds_that_count_up(engine: Engine) -> None:
    outputs = engine.make(seed=41, repeat_generation=2, batch_size=2)

    assert [output.settings["seed"] for output in outputs] == [41, 42, 43, 44]
    assert [output.index for output in outputs] == [0, 1, 2, 3]
    assert all(output.settings["repeat_generation"] == output.settings["batch_size"] == 1 for output in outputs)


def test_a_seed_of_minus_one_is_drawn_and_kept(engine: Engine) -> None:
    (output,) = engine.make(seed=-1)

    assert 0 <= output.settings["seed"] <= 999_999_999
    np.testing.assert_array_equal(read_frames(output.path)[0], expected("a red ball", output.settings["seed"]))


@pytest.mark.parametrize(
    ("mode", "prompts"),
    [
        ("G", ["one", "two", "three"]),
        ("PG", ["one\ntwo", "three"]),
        ("FG", ["one\ntwo\n\nthree"]),
        (0, ["one", "two", "three"]),
    ],
)
def test_lines_paragraphs_or_the_whole_text_make_a_clip_each(engine: Engine, mode: object, prompts: list[str]) -> None:
    outputs = engine.make("one\ntwo\n\nthree", multi_prompts_gen_type=mode)

    assert [request.prompt for request in engine.pipeline.requests] == prompts
    assert [output.settings["prompt"] for output in outputs] == prompts


def test_macros_are_written_out_and_each_clip_keeps_its_own_prompt(engine: Engine) -> None:
    outputs = engine.make('! {Colour}="red","blue"\na {Colour} ball', multi_prompts_gen_type="G")

    assert [output.settings["prompt"] for output in outputs] == ["a red ball", "a blue ball"]


def test_a_picture_is_one_frame_in_an_image_file(engine: Engine) -> None:
    (output,) = engine.make(image_mode=1, seed=3)

    assert output.media_type == "image" and output.path.endswith(".png")
    assert engine.pipeline.requests[0].num_frames == 1 and engine.pipeline.requests[0].image_mode
    assert (read_settings(output.path) or {})["seed"] == 3


def test_the_pipeline_gets_the_sampling_settings(engine: Engine) -> None:
    engine.make(num_inference_steps=2, guidance_scale=7.5, negative_prompt="blur", seed=9)

    (request,) = engine.pipeline.requests
    assert (request.num_inference_steps, request.guidance_scale, request.negative_prompt) == (2, 7.5, "blur")
    assert request.seed == 9 and request.batch_size == 1


def test_size_and_length_are_brought_to_what_the_model_makes_and_told(engine: Engine) -> None:
    (output,) = engine.make(resolution="70x50", video_length=10)

    info = probe(output.path)
    assert (info.width, info.height, info.num_frames) == (64, 48, 9)
    assert "70x50 becomes 64x48" in engine.infos and "10 becomes 9 frames" in engine.infos


def test_a_duration_is_counted_in_frames(engine: Engine) -> None:
    (output,) = engine.make(video_length="1s")

    assert probe(output.path).num_frames == 9


@pytest.mark.parametrize(("force_fps", "fps"), [("", 8), (24, 24), ("23.976", 23.976), ("auto", 8)])
def test_frames_a_second_are_those_asked_for(engine: Engine, force_fps: object, fps: float) -> None:
    (output,) = engine.make(force_fps=force_fps)

    assert probe(output.path).fps == pytest.approx(fps, abs=0.01)


def test_lanczos_enlarges_and_grain_is_the_same_each_time(engine: Engine) -> None:
    settings = {"spatial_upsampling": "lanczos1.5", "film_grain_intensity": 0.3, "seed": 1}
    first, second = engine.make(**settings)[0], engine.make(**settings)[0]

    info = probe(first.path)
    assert (info.width, info.height) == (96, 72)
    np.testing.assert_array_equal(read_frames(first.path)[0], read_frames(second.path)[0])
    plain = engine.make(spatial_upsampling="lanczos1.5", seed=1)[0]
    assert (read_frames(first.path)[0] != read_frames(plain.path)[0]).any()


def test_every_problem_is_told_in_its_own_sentence_before_a_model_is_loaded(engine: Engine) -> None:
    finished = engine.run(
        "", num_inference_steps=0, resolution="100000x100000", spatial_upsampling="seedvr2", video_prompt_type="PV"
    )

    assert (finished.outcome, finished.stage) == ("failed", "validation")
    problems = (finished.error or "").splitlines()
    named = {problem.split(":")[0] for problem in problems}
    assert named >= {"num_inference_steps", "resolution", "prompt", "spatial_upsampling", "video_prompt_type"}
    assert engine.services.models.resident is None and not engine.of(Output)


def test_an_unknown_model_is_a_failed_validation(engine: Engine) -> None:
    finished = engine.run(model_type="nonesuch")

    assert (finished.outcome, finished.stage) == ("failed", "validation")
    assert "nonesuch" in (finished.error or "")


def test_a_model_that_came_meanwhile_is_found(engine: Engine) -> None:
    engine.registry.new_models.append(numpy_model("circles"))

    assert engine.make(model_type="circles")


def test_a_changed_configuration_holds_for_the_next_task(engine: Engine, tmp_path: Path) -> None:
    engine.make()
    elsewhere = Config.load(tmp_path)
    elsewhere.update(save_path="elsewhere")

    (output,) = engine.make()

    assert Path(output.path).parent == tmp_path / "elsewhere"


def test_settings_without_effect_are_told(engine: Engine) -> None:
    engine.make(control_net_weight=0.5, colour_of_socks="red", image_start=None)

    assert "control_net_weight" in engine.infos and "colour_of_socks" in engine.infos


def test_missing_weights_end_the_task_with_their_own_words(engine: Engine) -> None:
    engine.registry.family.has_files = False

    finished = engine.run()

    assert (finished.outcome, finished.stage) == ("failed", "generation")
    assert "weights are not on disk" in (finished.error or "")


def test_a_clip_that_cannot_fit_the_memory_is_refused_before_it_is_made(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 10_000

    monkeypatch.setattr(psutil, "virtual_memory", Memory)

    finished = engine.run()

    assert finished.stage == "validation" and "GB of memory" in (finished.error or "")


def test_an_error_of_the_program_comes_through(engine: Engine) -> None:
    engine.pipeline.fail_with = ZeroDivisionError("oops")

    with pytest.raises(ZeroDivisionError):
        engine.run()


def test_abort_ends_within_one_step_and_saves_nothing(engine: Engine) -> None:
    def abort_at_second_step(event: object) -> None:
        if isinstance(event, Progress) and event.phase == "Denoising" and event.step == 2:
            engine.control.set("abort")

    engine.on_event = abort_at_second_step
    finished = engine.run(num_inference_steps=20)

    assert (finished.outcome, finished.stage, finished.error) == ("cancelled", "cancelled", "Generation was cancelled")
    assert len(engine.steps) == 2
    assert not list(engine.services.output_folder("video").glob("*"))


def test_abort_before_the_first_step_loads_no_model(engine: Engine) -> None:
    engine.control.set("abort")

    assert engine.run().outcome == "cancelled"
    assert not engine.registry.family.pipelines


def test_pause_holds_the_task_until_it_is_resumed(engine: Engine) -> None:
    paused = threading.Event()

    def pause_once(event: object) -> None:
        if isinstance(event, Progress) and event.step == 1 and not paused.is_set():
            engine.control.set("pause", True)
            paused.set()

    engine.on_event = pause_once
    thread = threading.Thread(target=engine.make)
    thread.start()
    assert paused.wait(10)
    thread.join(0.4)
    assert thread.is_alive() and len(engine.steps) == 1
    engine.control.set("pause", False)
    thread.join(10)
    assert not thread.is_alive() and len(engine.steps) == 3


def test_early_stop_keeps_what_there_is(engine: Engine) -> None:
    engine.on_event = lambda event: engine.control.set("early_stop") if isinstance(event, Preview) else None

    outputs = engine.make(repeat_generation=5)

    assert len(outputs) == 1


def test_a_skipped_sample_ends_at_its_next_step_and_the_others_are_made(engine: Engine) -> None:
    def skip_in_second(event: object) -> None:
        if isinstance(event, Progress) and event.text.startswith("Sample 2/3") and event.step == 1:
            engine.control.set("skips", 1)

    engine.on_event = skip_in_second

    outputs = engine.make(repeat_generation=3, seed=10)

    assert [output.settings["seed"] for output in outputs] == [10, 12]
    assert "A result was skipped." in engine.infos
    assert len([step for step in engine.steps if step.text.startswith("Sample 2/3")]) == 1


def test_extra_orders_add_samples(engine: Engine) -> None:
    engine.on_event = lambda event: engine.control.set("extra_orders", 2) if isinstance(event, Preview) else None

    outputs = engine.make(seed=10)

    assert [output.settings["seed"] for output in outputs] == [10, 11, 12]
    assert [output.index for output in outputs] == [0, 1, 2]


def test_extra_orders_are_for_the_prompt_being_made(engine: Engine) -> None:
    engine.on_event = lambda event: engine.control.set("extra_orders", 1) if isinstance(event, Preview) else None

    outputs = engine.make("one\n\ntwo", seed=10)

    assert [(output.settings["prompt"], output.settings["seed"]) for output in outputs] == [
        ("one", 10),
        ("one", 11),
        ("two", 10),
    ]
    assert sorted(output.index for output in outputs) == [0, 1, 2]
    assert engine.steps[-1].text.startswith("Prompt 2/2 - ")


def test_progress_says_where_the_task_stands(engine: Engine) -> None:
    engine.make("one\n\ntwo", repeat_generation=2, video_length=29)

    texts = [event.text for event in engine.steps]
    assert texts[0].startswith("Prompt 1/2, Sample 1/2, Sliding Window 1/2 - Denoising | ")
    assert texts[-1].startswith("Prompt 2/2, Sample 2/2, Sliding Window 2/2 - Denoising | ")
    assert " / " in texts[-1].split("|")[1]
    assert [event.step for event in engine.steps[:3]] == [1, 2, 3] and engine.steps[0].total == 3


def test_previews_come_at_most_every_half_second(engine: Engine) -> None:
    engine.pipeline.step_s = 0.06
    started = time.monotonic()

    engine.make(num_inference_steps=12)

    count = len(engine.of(Preview))
    assert 2 <= count <= 1 + (time.monotonic() - started) / 0.5
    assert engine.of(Preview)[0].jpeg[:2] == b"\xff\xd8"


def test_the_model_stays_loaded_between_tasks(engine: Engine) -> None:
    engine.make()
    engine.make()

    assert len(engine.registry.family.pipelines) == 1
    assert sum(isinstance(event, Progress) and event.phase.startswith("Loading model") for event in engine.events) == 0


def test_another_model_takes_the_place_of_the_last(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, numpy_model("squares"), numpy_model("circles"))
    engine.make()
    engine.make(model_type="circles")

    assert len(engine.registry.family.pipelines) == 2
    assert engine.services.models.resident_type == "circles"


def test_a_size_beyond_the_model_is_made_as_large_as_it_can_and_enlarged(engine: Engine) -> None:
    (output,) = engine.make(resolution="1280x704", video_length=5)

    info = probe(output.path)
    assert (info.width, info.height) == (1280, 704)
    assert engine.pipeline.requests[0].width * engine.pipeline.requests[0].height <= 65536
    assert "1280x704 is made at" in engine.infos
    assert output.settings["resolution"] == "1280x704"


def test_a_result_too_large_for_the_upsampler_is_refused_at_once(engine: Engine) -> None:
    finished = engine.run(resolution="4096x2304", spatial_upsampling="lanczos8")

    assert finished.stage == "validation" and "spatial_upsampling" in (finished.error or "")
