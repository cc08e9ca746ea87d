"""Sound that drives a clip, sound that a model makes beside it, and models that make nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.engine.soundtrack import Soundtrack
from shared.media.audio import AudioClip, read_audio, resampled, write_audio
from shared.media.metadata import read_settings
from shared.media.video import probe, write_video
from tests.fakes.engine import Engine, make_engine, numpy_model

RATE = 8000
DRIVEN: dict[str, Any] = {
    "any_audio_prompt": True,
    "audio_prompt_type_sources": {"selection": ["", "A", "AR", "K", "AN", "AF"]},
    "audio_sampling_rate": RATE,
    "audio_channels": 1,
    "guide_custom_choices": {"choices": [["None", ""], ["Follow", "V"]]},
}


@pytest.fixture
def voice(tmp_path: Path) -> str:
    """Two seconds whose level is half the time."""
    samples = np.repeat((np.arange(2 * RATE, dtype=np.float32) / RATE / 2)[:, None], 1, axis=1)
    return str(write_audio(AudioClip(samples, RATE), tmp_path / "voice.wav"))


def driven(tmp_path: Path) -> Engine:
    return make_engine(tmp_path, numpy_model(**DRIVEN))


def test_each_window_hears_its_part_of_the_sound_and_silence_after_it(tmp_path: Path, voice: str) -> None:
    engine = driven(tmp_path)
    engine.make(audio_guide=voice, video_length=25, sliding_window_size=17, sliding_window_overlap=5)

    first, second = engine.pipeline.requests
    assert first.settings["audio_prompt_type"] == "A" and first.audio_sampling_rate == RATE
    assert first.audio.shape == (17 * RATE // 8, 1) and first.audio.dtype == np.float32
    assert abs(float(second.audio[0, 0]) - 0.75) < 0.01, "its first frame, 12, is at 1.5 seconds"
    assert not second.audio[-RATE // 2 :].any()


def test_the_whole_sound_goes_into_each_window_where_asked_for(tmp_path: Path, voice: str) -> None:
    engine = driven(tmp_path)
    engine.make(audio_guide=voice, audio_prompt_type="AF", video_length=25, sliding_window_overlap=1)
    assert [len(request.audio) for request in engine.pipeline.requests] == [2 * RATE, 2 * RATE]


def test_the_given_sound_can_become_the_soundtrack(tmp_path: Path, voice: str) -> None:
    engine = driven(tmp_path)
    (output,) = engine.make(audio_guide=voice, audio_prompt_type="AR", video_length=9)

    sound = read_audio(output.path)
    assert abs(sound.duration_s - 9 / 8) < 0.05
    assert not probe(engine.make(audio_guide=voice, audio_prompt_type="A")[0].path).has_audio


def test_the_track_of_the_control_clip_can_drive(tmp_path: Path) -> None:
    engine = driven(tmp_path)
    frames = np.zeros((9, 48, 64, 3), np.uint8)
    sound = AudioClip(np.full((2 * RATE, 2), 0.25, np.float32), RATE)
    path = write_video(frames, tmp_path / "talk.mp4", 8, "libx264_lossless", "", sound)
    engine.make(video_guide=str(path), video_prompt_type="V", audio_prompt_type="K")

    (request,) = engine.pipeline.requests
    assert request.audio.shape == (9 * RATE // 8, 1) and 0.2 < float(np.median(request.audio)) < 0.4


def test_a_quiet_voice_is_brought_to_a_common_loudness(tmp_path: Path) -> None:
    engine = driven(tmp_path)
    quiet = write_audio(AudioClip(np.full((RATE, 1), 0.01, np.float32), RATE), tmp_path / "quiet.wav")
    engine.make(audio_guide=str(quiet), audio_prompt_type="AN", video_length=5)
    assert abs(float(engine.pipeline.requests[0].audio[0, 0]) - 0.1) < 0.01


def test_a_missing_sound_and_unknown_letters_are_told_by_name(tmp_path: Path, voice: str) -> None:
    engine = driven(tmp_path)
    finished = engine.run(audio_prompt_type="A")
    assert finished.error is not None and finished.error.startswith("audio_guide: no sound is given")
    finished = engine.run(audio_guide=voice, audio_prompt_type="AX")
    assert finished.error is not None and "audio_prompt_type: X (Split two speakers) is not available" in finished.error


def test_the_sound_of_the_windows_is_joined_without_a_gap(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, audio_output_codec="aac_128")
    engine.pipeline.tone_rate = RATE
    (output,) = engine.make(video_length=29, plugin_data={"api": {"return_audio": True}})

    sound = output.artifact["audio_tensor"]
    assert len(sound) == round(29 / 8 * RATE) and probe(output.path).has_audio
    seam = 17 * RATE // 8
    second_starts_at = 5 / 8  # the window's own clock, after the 5 frames it was given
    assert abs(float(sound[seam, 0]) - second_starts_at / 10) < 1e-3
    steps = np.abs(np.diff(sound[:, 0]))
    assert steps.max() < 0.005, "the first window fades into the second"


def test_a_continued_clip_keeps_its_sound_before_the_new_one(tmp_path: Path) -> None:
    engine = make_engine(tmp_path)
    engine.pipeline.tone_rate = RATE
    own = AudioClip(np.full((2 * RATE, 1), 0.5, np.float32), RATE)
    source = write_video(np.zeros((9, 48, 64, 3), np.uint8), tmp_path / "own.mp4", 8, "libx264_lossless", "", own)
    (output,) = engine.make(video_source=str(source), video_length=9, plugin_data={"api": {"return_audio": True}})

    sound = output.artifact["audio_tensor"]
    assert len(sound) == round(17 / 8 * RATE)
    assert abs(float(np.median(sound[: RATE // 2])) - 0.5) < 0.05 and float(sound[-1, 0]) < 0.2


@pytest.mark.parametrize(("codec", "ending"), [("wav", ".wav"), ("mp3_192", ".mp3")])
def test_a_sound_model_gives_a_sound_file_with_its_settings(tmp_path: Path, codec: str, ending: str) -> None:
    model = numpy_model(audio_only=True, duration_slider={"min": 1, "max": 60})
    engine = make_engine(tmp_path, model, audio_stand_alone_output_codec=codec)
    (output,) = engine.make("a slow waltz", duration_seconds=2, plugin_data={"api": {"return_media": True}})

    assert output.media_type == "audio" and output.path.endswith(ending)
    assert abs(read_audio(output.path).duration_s - 2) < 0.1
    settings = read_settings(output.path)
    assert settings is not None and settings["prompt"] == "a slow waltz" and "video_length" not in settings
    assert output.artifact["media_type"] == "audio" and output.artifact["video_tensor_uint8"] is None
    (request,) = engine.pipeline.requests
    assert (request.width, request.height, request.num_frames) == (0, 0, 1)


def test_sound_is_brought_to_another_rate_and_number_of_channels() -> None:
    tone = np.sin(np.arange(8000) / 8000 * 2 * np.pi * 100).astype(np.float32)[:, None]
    other = resampled(AudioClip(tone, 8000), 16000, 2)
    assert other.sampling_rate == 16000 and other.samples.shape[1] == 2
    assert abs(len(other.samples) - 16000) < 100
    expected = np.sin(np.arange(16000) / 16000 * 2 * np.pi * 100)
    assert np.abs(other.samples[2000:14000, 0] - expected[2000:14000]).max() < 0.35


def test_a_sound_that_ends_before_its_window_is_followed_by_silence() -> None:
    track = Soundtrack(fps=8)
    for given, new in ((0, 8), (4, 4)):
        track.add(np.ones((100, 2), np.float32), 800, given, new)
    clip = track.clip()
    assert clip is not None and clip.samples.shape == (12 * 100, 2)
    assert clip.samples[:100].all() and not clip.samples[800:].any()
