"""Files of results: their formats, their settings, and that none is made twice."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from shared.core.events import Output
from shared.media.audio import AudioClip, write_audio
from shared.media.metadata import read_settings, read_source_images
from shared.media.video import probe, read_frames, write_video
from tests.fakes.engine import Engine, make_engine


class Ledger:
    """A ledger in memory; `stop_before` ends the program, as a kill would, at "reserve" or "commit" of an index."""

    def __init__(self) -> None:
        self.paths: dict[int, str] = {}
        self.count = 0
        self.stop_before: tuple[str, int] | None = None

    def made(self, task_id: int) -> Mapping[int, str]:
        return {index: path for index, path in self.paths.items() if Path(path).is_file()}

    def expect(self, task_id: int, count: int) -> None:
        self.count = count

    def reserve(self, task_id: int, index: int, path: str, **about: Any) -> None:
        self._maybe_stop("reserve", index)
        self.paths[index] = path

    def commit(self, task_id: int, index: int) -> None:
        self._maybe_stop("commit", index)

    def _maybe_stop(self, step: str, index: int) -> None:
        if self.stop_before == (step, index):
            raise KeyboardInterrupt(step)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def engine(tmp_path: Path, ledger: Ledger) -> Engine:
    return make_engine(tmp_path, ledger=ledger)


def test_the_usual_clip_plays_in_a_browser(tmp_path: Path) -> None:
    (output,) = make_engine(tmp_path, video_output_codec="libx264_8").make()

    with av.open(output.path) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    head = Path(output.path).read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")


@pytest.mark.parametrize(("codec", "suffix"), [("jpeg_95", ".jpg"), ("png", ".png"), ("webp_90", ".webp")])
def test_pictures_have_the_format_of_the_configuration(tmp_path: Path, codec: str, suffix: str) -> None:
    (output,) = make_engine(tmp_path, image_output_codec=codec).make(image_mode=1)

    assert Path(output.path).suffix == suffix
    assert (read_settings(output.path) or {})["image_quality"] == codec


@pytest.mark.parametrize("container", ["mkv", "mov"])
def test_clips_have_the_container_of_the_configuration(tmp_path: Path, container: str) -> None:
    (output,) = make_engine(tmp_path, video_container=container).make()

    assert output.path.endswith(f".{container}")
    assert (read_settings(output.path) or {})["prompt"] == "a red ball"


def test_a_task_has_its_own_picture_format_and_numbers_its_files(engine: Engine) -> None:
    wishes = {"image_format": "webp", "output_filename": "job-{number}", "repeat_generation": 2}
    made = engine.make(image_mode=1, **wishes)
    assert [Path(output.path).name for output in made] == ["job-0.webp", "job-1.webp"]
    assert Image.open(made[0].path).format == "WEBP"


def test_the_settings_in_a_file_say_how_it_was_made(engine: Engine) -> None:
    (output,) = engine.make(seed=12, client_id="me")

    settings = read_settings(output.path)
    assert settings is not None and {**settings, "client_id": "me"} == output.settings
    assert "client_id" not in settings
    assert "WanGP" in settings["type"] and settings["settings_version"] >= 2.74
    assert (settings["model_type"], settings["seed"]) == ("squares", 12)
    assert settings["generation_time"] >= 0 and settings["creation_date"] and settings["creation_timestamp"] > 0
    assert not {"image_start", "state", "audio_guide"} & settings.keys()


def test_settings_go_beside_the_file_or_nowhere_as_configured(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, metadata_type="json")
    (output,) = engine.make()
    beside = Path(output.path).with_suffix(".json")
    assert json.loads(beside.read_text())["prompt"] == "a red ball"

    engine.services.config.set("metadata_type", "none")
    (output,) = engine.make()
    assert read_settings(output.path) is None


def test_source_images_are_in_the_file_where_the_configuration_says_so(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, embed_source_images=True)
    start, end = Image.new("RGB", (64, 48), (1, 2, 3)), Image.new("RGB", (64, 48), (4, 5, 6))

    (output,) = engine.make(image_start=start, image_end=end)

    found = read_source_images(output.path)
    assert {name: len(images) for name, images in found.items()} == {"image_start": 1, "image_end": 1}
    assert Image.open(io.BytesIO(found["image_start"][0].data)).getpixel((0, 0)) == (1, 2, 3)
    assert (read_settings(output.path) or {})["prompt"] == "a red ball"


def test_a_hook_may_change_what_is_embedded(engine: Engine) -> None:
    def sign(settings: dict[str, Any], plugin_data: Mapping[str, Any], model_type: str) -> dict[str, Any]:
        return {**settings, "signed": f"{model_type} {plugin_data['name']}"}

    engine.services.before_metadata_save.append(sign)
    (output,) = engine.make(plugin_data={"name": "plugin"})

    assert (read_settings(output.path) or {})["signed"] == "squares plugin"


def test_media_come_back_in_memory_when_asked_for(engine: Engine) -> None:
    (output,) = engine.make(plugin_data={"api": {"return_media": True}}, spatial_upsampling="lanczos2")

    artifact = output.artifact
    assert artifact is not None and artifact["video_tensor_uint8"].shape == (3, 9, 96, 128)
    assert artifact["video_tensor_uint8"].dtype == np.uint8 and artifact["fps"] == 8
    assert (artifact["path"], artifact["media_type"], artifact["client_id"]) == (output.path, "video", "me")
    frames = read_frames(output.path)[0]
    np.testing.assert_array_equal(artifact["video_tensor_uint8"].transpose(1, 2, 3, 0), frames)
    assert engine.make()[0].artifact is None


@pytest.mark.parametrize("stop", [("reserve", 1), ("commit", 1), ("commit", 0)])
def test_a_task_run_again_after_a_kill_makes_no_file_twice(
    engine: Engine, ledger: Ledger, stop: tuple[str, int]
) -> None:
    ledger.stop_before = stop
    with pytest.raises(KeyboardInterrupt):
        engine.run(repeat_generation=3, seed=1)
    ledger.stop_before = None
    before = set(engine.services.output_folder("video").glob("*"))

    outputs = engine.make(repeat_generation=3, seed=1)

    assert [output.index for output in outputs] == [0, 1, 2]
    assert [output.settings["seed"] for output in outputs] == [1, 2, 3]
    files = set(engine.services.output_folder("video").glob("*"))
    assert {Path(output.path) for output in outputs} == files and before <= files and len(files) == 3
    assert ledger.count == 3


def test_half_files_of_a_killed_run_are_removed(engine: Engine) -> None:
    folder = engine.services.output_folder("video")
    folder.mkdir(parents=True)
    dead, alive = folder / ".clip.0a1b2c3d.part.mp4", folder / ".clip.99999999.part.mp4"
    for path in (dead, alive):
        path.write_bytes(b"half")
    os.utime(dead, (1, 1))

    engine.make(attempts=2)

    assert not dead.exists() and alive.exists()


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    engine = make_engine(tmp_path)
    (tmp_path / "outputs").write_text("a file where the folder should be")

    finished = engine.run()

    assert finished.outcome == "failed" and "outputs" in (finished.error or "")


def test_a_full_disk_is_a_clear_error_and_leaves_no_half_file(engine: Engine) -> None:
    engine.services.config.set("save_path", "/dev/full/outputs")

    finished = engine.run()

    assert finished.outcome == "failed" and "/dev/full" in (finished.error or "")
    assert not engine.of(Output)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip with sound."""
    random = np.random.default_rng(0)
    sound = AudioClip(random.uniform(-0.3, 0.3, (8000, 1)).astype(np.float32), 16000)
    frames = random.integers(0, 255, (4, 32, 48, 3), dtype=np.uint8)
    return write_video(frames, tmp_path / "clip.mp4", 8, "libx264_lossless", audio=sound)


def test_a_finished_clip_is_enlarged_with_its_sound(engine: Engine, clip: Path) -> None:
    (output,) = engine.make(mode="edit_postprocessing", video_source=str(clip), spatial_upsampling="lanczos2")

    info = probe(output.path)
    assert (info.width, info.height, info.num_frames, info.has_audio) == (96, 64, 4, True)
    assert engine.services.models.resident is None
    assert (read_settings(output.path) or {})["spatial_upsampling"] == "lanczos2"


def test_a_finished_picture_is_enlarged(engine: Engine, tmp_path: Path) -> None:
    Image.effect_noise((48, 32), 80).save(tmp_path / "picture.png")

    (output,) = engine.make(
        mode="edit_postprocessing", video_source=str(tmp_path / "picture.png"), spatial_upsampling="lanczos1.5"
    )

    assert output.media_type == "image" and Image.open(output.path).size == (72, 48)


def test_a_clip_gets_another_sound(engine: Engine, clip: Path, tmp_path: Path) -> None:
    silent = write_video(read_frames(clip)[0], tmp_path / "silent.mp4", 8)
    sound = write_audio(AudioClip(np.zeros((8000, 1), np.float32), 16000), tmp_path / "sound.wav")

    (output,) = engine.make(
        mode="edit_remux", video_source=str(silent), postprocess_audio="custom", audio_source=str(sound)
    )

    assert probe(output.path).has_audio and probe(output.path).num_frames == 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mode": "edit_postprocessing"}, "Nothing is asked for"),
        ({"mode": "edit_postprocessing", "spatial_upsampling": "lanczos2"}, "video_source"),
        ({"mode": "edit_postprocessing", "spatial_upsampling": "seedvr2"}, "spatial_upsampling"),
        ({"mode": "edit_postprocessing", "temporal_upsampling": "rife2"}, "temporal_upsampling"),
        ({"mode": "edit_remux", "postprocess_audio": "mmaudio"}, "mmaudio"),
        ({"mode": "edit_audio", "postprocess_audio": "remove_background"}, "remove_background"),
    ],
)
def test_edits_that_cannot_be_done_are_refused_by_name(engine: Engine, settings: dict[str, Any], words: str) -> None:
    finished = engine.run(**settings)

    assert finished.outcome == "failed" and words in (finished.error or "")


def test_a_task_says_what_its_picture_carries(tmp_path: Path) -> None:
    engine = make_engine(tmp_path)
    (both,) = engine.make(image_mode=1, metadata_scheme="fooocus", image_format="jpg", seed=1)
    assert both.path.endswith(".jpg") and read_settings(both.path)["seed"] == 1
    with Image.open(both.path) as image:
        assert image.getexif()[0x927C] == "fooocus"
    (none,) = engine.make(image_mode=1, metadata_scheme="none", seed=1)
    assert read_settings(none.path) is None and none.settings["seed"] == 1
