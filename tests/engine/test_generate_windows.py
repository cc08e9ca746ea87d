"""Clips longer than the model's window, and clips that go on where another ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.core.events import Preview, Progress, Status
from shared.media.audio import AudioClip, read_audio
from shared.media.video import probe, read_frames, write_video
from tests.fakes.engine import Engine, make_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return make_engine(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A clip of 12 frames, each of one grey level: 0, 10, 20 ..."""
    frames = np.stack([np.full((48, 64, 3), 10 * number, np.uint8) for number in range(12)])
    return write_video(frames, tmp_path / "source.mp4", 8, "libx264_lossless")


@pytest.mark.parametrize("num_frames", [17, 21, 29, 41])
@pytest.mark.parametrize("discard", [0, 4])
def test_a_clip_of_several_windows_has_the_length_asked_for(engine: Engine, num_frames: int, discard: int) -> None:
    (output,) = engine.make(video_length=num_frames, sliding_window_discard_last_frames=discard)

    assert len(read_frames(output.path)[0]) == num_frames
    assert all(request.num_frames <= 17 for request in engine.pipeline.requests)
    assert output.settings["video_length"] == num_frames


def test_each_window_starts_from_the_last_frames_of_the_one_before(engine: Engine) -> None:
    (output,) = engine.make(video_length=41)

    frames, _ = read_frames(output.path)
    first, second, third = engine.pipeline.requests
    assert first.prefix is None
    np.testing.assert_array_equal(second.prefix, frames[12:17])
    np.testing.assert_array_equal(third.prefix, frames[24:29])
    assert len({request.seed for request in engine.pipeline.requests}) == 3


def test_window_settings_reach_the_pipeline(engine: Engine) -> None:
    engine.make(video_length=29, sliding_window_overlap=9, sliding_window_overlap_noise=20, sliding_window_size=21)

    first, second = engine.pipeline.requests
    assert (first.num_frames, first.overlap_noise) == (21, 0)
    assert (len(second.prefix), second.overlap_noise) == (9, 20)


def test_each_window_has_its_own_prompt_and_the_last_repeats(engine: Engine) -> None:
    outputs = engine.make("first\nsecond", multi_prompts_gen_type="W", video_length=41)

    assert len(outputs) == 1
    assert [request.prompt for request in engine.pipeline.requests] == ["first", "second", "second"]
    assert outputs[0].settings["prompt"] == "first\nsecond"


def test_prompts_command_their_windows(engine: Engine) -> None:
    prompt = "[/duration=9] one\ntwo [/duration=1s, /new_shot]\nthree [/duration=25%]"
    (output,) = engine.make(prompt, multi_prompts_gen_type="W", video_length=33)

    requests = engine.pipeline.requests
    assert [request.prompt for request in requests] == ["one", "two", "three"]
    assert [request.prefix is None for request in requests] == [True, True, False]
    assert len(read_frames(output.path)[0]) == 9 + 8 + 8


def test_the_commands_of_a_prompt_are_in_its_file(engine: Engine) -> None:
    outputs = engine.make("[/duration=9] one\n\ntwo [/duration=13]", seed=1)

    assert [output.settings["prompt"] for output in outputs] == ["[/duration=9] one", "two [/duration=13]"]
    assert [len(read_frames(output.path)[0]) for output in outputs] == [9, 13]
    (again,) = engine.make(**outputs[1].settings)
    np.testing.assert_array_equal(read_frames(again.path)[0], read_frames(outputs[1].path)[0])


def test_a_duration_longer_than_the_window_takes_several(engine: Engine) -> None:
    (output,) = engine.make("one [/duration=30]", video_length=17)

    assert len(engine.pipeline.requests) == 3
    assert len(read_frames(output.path)[0]) == 30


def test_without_overlap_the_first_frames_of_later_windows_are_trimmed(engine: Engine) -> None:
    engine.pipeline.step_s = 0
    prompt = "one\ntwo [/new_shot]"
    (plain,) = engine.make(prompt, multi_prompts_gen_type="W", video_length=29, seed=1)
    assert len(read_frames(plain.path)[0]) == 29


def test_a_drift_of_colours_is_taken_back(engine: Engine) -> None:
    settings = {"video_length": 29, "seed": 4}
    (plain,) = engine.make(**settings)
    engine.pipeline.drift = 20
    (drifted,) = engine.make(**settings)
    (matched,) = engine.make(sliding_window_color_correction_strength=1, **settings)

    want, wrong, right = (read_frames(output.path)[0].astype(int) for output in (plain, drifted, matched))
    np.testing.assert_array_equal(want[:17], right[:17])
    assert abs(right[17:] - want[17:]).mean() < 0.2 * abs(wrong[17:] - want[17:]).mean()


def test_more_windows_are_made_when_asked_for_meanwhile(engine: Engine) -> None:
    engine.on_event = lambda event: engine.control.set("extra_windows", 1) if isinstance(event, Preview) else None

    (output,) = engine.make(video_length=17)

    assert len(read_frames(output.path)[0]) == 17 + 12
    assert output.settings["video_length"] == 29
    assert engine.steps[-1].text.startswith("Sliding Window 2/2 - ")


def test_early_stop_saves_the_windows_that_are_made(engine: Engine) -> None:
    engine.on_event = lambda event: engine.control.set("early_stop") if isinstance(event, Progress) else None

    (output,) = engine.make(video_length=41)

    assert len(read_frames(output.path)[0]) == 17


def test_a_partial_clip_is_there_after_an_abort_and_gone_after_success(engine: Engine) -> None:
    def abort_in_third_window(event: object) -> None:
        if isinstance(event, Progress) and event.text.startswith("Sliding Window 3/3") and event.step == 1:
            engine.control.set("abort")

    engine.on_event = abort_in_third_window
    assert engine.run(video_length=41).outcome == "cancelled"
    (partial,) = engine.services.output_folder("video").glob("**/*.mp4")
    assert partial.parent.name == "partial" and len(read_frames(partial)[0]) == 29

    engine.on_event = lambda event: None
    engine.control.set("abort", False)
    (output,) = engine.make(video_length=41)
    assert [str(path) for path in engine.services.output_folder("video").glob("*")] == [output.path]


def test_a_clip_is_continued_and_comes_whole(engine: Engine, source: Path) -> None:
    (output,) = engine.make(image_prompt_type="V", video_source=str(source), video_length=9)

    frames, _ = read_frames(output.path)
    assert len(frames) == 12 + 8
    np.testing.assert_array_equal(frames[:12], read_frames(source)[0])
    (request,) = engine.pipeline.requests
    np.testing.assert_array_equal(request.prefix, frames[7:12])
    assert (request.num_frames, request.image_start) == (13, None)


@pytest.mark.parametrize(("keep", "count"), [("3", 3), ("-2", 10), ("", 12), ("50", 12)])
def test_as_much_of_the_clip_is_kept_as_asked_for(engine: Engine, source: Path, keep: str, count: int) -> None:
    (output,) = engine.make(
        image_prompt_type="V", video_source=str(source), video_length=9, keep_frames_video_source=keep
    )

    frames, _ = read_frames(output.path)
    assert len(frames) == count + 8
    np.testing.assert_array_equal(frames[:count], read_frames(source)[0][:count])


def test_the_sound_of_the_continued_clip_is_kept(engine: Engine, source: Path, tmp_path: Path) -> None:
    sound = AudioClip(np.full((24000, 1), 0.25, np.float32), 16000)
    loud = write_video(read_frames(source)[0], tmp_path / "loud.mp4", 8, "libx264_lossless", audio=sound)

    (output,) = engine.make(image_prompt_type="V", video_source=str(loud), video_length=9)

    assert probe(output.path).has_audio and len(read_frames(output.path)[0]) == 20
    assert read_audio(output.path).duration_s == pytest.approx(1.5, abs=0.15)


def test_prompts_without_a_window_are_told(engine: Engine) -> None:
    engine.make("one\ntwo\nthree", multi_prompts_gen_type="W", video_length=29)

    assert "2 of 3 prompts are used" in engine.infos


def test_keeping_none_of_the_clip_is_refused(engine: Engine, source: Path) -> None:
    finished = engine.run(image_prompt_type="V", video_source=str(source), keep_frames_video_source="-12")

    assert finished.stage == "validation" and "keep_frames_video_source" in (finished.error or "")


def test_a_long_continuation_takes_several_windows(engine: Engine, source: Path) -> None:
    (output,) = engine.make(image_prompt_type="V", video_source=str(source), video_length=25)

    assert len(read_frames(output.path)[0]) == 12 + 24
    assert [len(request.prefix) for request in engine.pipeline.requests] == [5, 5]


def test_the_last_clip_is_continued_by_the_letter_l(engine: Engine) -> None:
    (first,) = engine.make(seed=1)
    (second,) = engine.make(seed=2, image_prompt_type="L")

    frames, _ = read_frames(second.path)
    assert len(frames) == 9 + 8
    np.testing.assert_array_equal(frames[:9], read_frames(first.path)[0])


def test_the_letter_l_without_a_clip_is_told(engine: Engine) -> None:
    finished = engine.run(image_prompt_type="L")

    assert finished.outcome == "failed" and "there is none yet" in (finished.error or "")


def test_a_source_of_another_speed_keeps_its_own_time(engine: Engine, source: Path) -> None:
    (doubled,) = engine.make(image_prompt_type="V", video_source=str(source), video_length=9, force_fps="16")
    (kept,) = engine.make(image_prompt_type="V", video_source=str(source), video_length=9, force_fps="source")

    frames, fps = read_frames(doubled.path)
    assert fps == 16 and len(frames) == 24 + 8
    assert read_frames(kept.path)[1] == 8


def test_the_status_line_tells_a_pause(engine: Engine) -> None:
    def pause_then_resume(event: object) -> None:
        if isinstance(event, Progress) and event.step == 1:
            engine.control.set("pause", True)
        if isinstance(event, Status) and event.text == "Paused":
            engine.control.set("pause", False)

    engine.on_event = pause_then_resume
    engine.make()

    assert [event.text for event in engine.of(Status)][:2] == ["Paused", "Resumed"]
