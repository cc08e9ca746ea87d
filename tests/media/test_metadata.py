"""Settings in every container, where other programs expect them, and hostile files."""

from __future__ import annotations

import json
import struct

import av
import mutagen
import numpy as np
import pytest
from mutagen.id3 import ID3
from mutagen.mp4 import MP4
from PIL import Image, PngImagePlugin

from shared.core.errors import MediaError
from shared.media.audio import AudioClip, write_audio
from shared.media.images import load_image, save_image
from shared.media.metadata import (
    SourceImage,
    is_from_wangp,
    read_settings,
    read_source_images,
    sidecar_path,
    write_settings,
)
from shared.media.video import read_frames, write_video
from tests.media.conftest import numbered_frames

SETTINGS = {
    "type": "WanGP v12.6 by DeepBeepMeep - Starter",
    "prompt": 'a "red" ball, 球 é 🎈\nsecond line',
    "seed": 7,
    "activated_loras": [],
    "nested": {"none": None, "pi": 3.5},
}
SILENCE = AudioClip(np.zeros((4000, 1), np.float32), 8000)
IMAGES = ("png", "jpeg_95", "webp_90", "webp_lossless")
CLIPS = ("mp4", "mov", "mkv")
SOUNDS = ("wav", "mp3_128", "aac_64")


def make(folder, kind):
    if kind in IMAGES:
        return save_image(numbered_frames(1)[0], folder / "file", kind)
    if kind in CLIPS:
        return write_video(numbered_frames(10), folder / f"file.{kind}", 8, audio=SILENCE)
    extension = {"wav": ".wav", "mp3_128": ".mp3", "aac_64": ".m4a"}[kind]
    return write_audio(SILENCE, folder / f"file{extension}", kind)


@pytest.mark.parametrize("settings", [SETTINGS, {"prompt": "plain ascii"}, {"prompt": "x" * 60_000}], ids=str.__class__)
@pytest.mark.parametrize("kind", [*IMAGES, *CLIPS, *SOUNDS])
def test_settings_come_back_from_every_container(tmp_path, kind, settings):
    path = make(tmp_path, kind)
    assert read_settings(path) is None
    assert write_settings(path, settings) == path
    assert read_settings(path) == settings
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", [*IMAGES, *CLIPS, *SOUNDS])
def test_writing_again_replaces_the_settings(tmp_path, kind):
    path = make(tmp_path, kind)
    write_settings(path, SETTINGS)
    size = path.stat().st_size
    write_settings(path, SETTINGS)
    assert abs(path.stat().st_size - size) < 64
    write_settings(path, {"seed": 8})
    assert read_settings(path) == {"seed": 8}


@pytest.mark.parametrize("kind", IMAGES)
def test_the_pixels_of_a_picture_are_not_touched(tmp_path, kind):
    path = make(tmp_path, kind)
    before = np.asarray(load_image(path))
    write_settings(path, SETTINGS)
    assert np.array_equal(np.asarray(load_image(path)), before)


@pytest.mark.parametrize("kind", CLIPS)
def test_the_frames_and_the_sound_of_a_clip_are_not_touched(tmp_path, kind):
    path = make(tmp_path, kind)
    before, fps = read_frames(path)
    write_settings(path, SETTINGS)
    after, fps_after = read_frames(path)
    assert np.array_equal(before, after) and fps == fps_after
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 1
    if kind != "mkv":
        data = path.read_bytes()
        assert data.find(b"moov") < data.find(b"mdat")


def test_mp4_settings_are_in_the_comment_atom(tmp_path):
    path = make(tmp_path, "mp4")
    write_settings(path, SETTINGS)
    assert json.loads(MP4(path).tags["\xa9cmt"][0]) == SETTINGS
    with av.open(str(path)) as container:
        assert json.loads(container.metadata["comment"]) == SETTINGS


def test_mkv_settings_are_in_the_comment_tag(tmp_path):
    path = make(tmp_path, "mkv")
    write_settings(path, SETTINGS)
    with av.open(str(path)) as container:
        assert json.loads(container.metadata["COMMENT"]) == SETTINGS


def test_png_settings_are_in_the_international_text_comment(tmp_path):
    path = make(tmp_path, "png")
    write_settings(path, SETTINGS)
    with Image.open(path) as image:
        assert isinstance(image.text["comment"], PngImagePlugin.iTXt)
        assert json.loads(image.text["comment"]) == SETTINGS


@pytest.mark.parametrize("kind", ["jpeg_95", "webp_90"])
@pytest.mark.parametrize(
    ("settings", "prefix", "encoding"), [({"seed": 1}, b"ASCII\0\0\0", "ascii"), (SETTINGS, b"UNICODE\0", "utf-16-le")]
)
def test_jpeg_and_webp_settings_are_in_the_user_comment(tmp_path, kind, settings, prefix, encoding):
    path = make(tmp_path, kind)
    write_settings(path, settings)
    with Image.open(path) as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment[:8] == prefix and json.loads(comment[8:].decode(encoding)) == settings


def test_wav_settings_are_in_a_json_chunk(tmp_path):
    path = make(tmp_path, "wav")
    write_settings(path, SETTINGS)
    data = path.read_bytes()
    at = data.index(b"json")
    length = struct.unpack("<I", data[at + 4 : at + 8])[0]
    assert json.loads(data[at + 8 : at + 8 + length]) == SETTINGS
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    assert mutagen.File(path).info.length == pytest.approx(0.5)


def test_mp3_settings_are_in_the_text_frame_named_wangp(tmp_path):
    path = make(tmp_path, "mp3_128")
    write_settings(path, SETTINGS)
    assert json.loads(ID3(path)["TXXX:WanGP"].text[0]) == SETTINGS


def test_other_exif_fields_of_a_photo_are_kept(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera", 6
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (20, 10), (9, 9, 9)).save(path, exif=exif)
    write_settings(path, SETTINGS)
    with Image.open(path) as image:
        assert (image.getexif()[0x010F], image.getexif()[0x0112]) == ("Camera", 6)
    assert read_settings(path) == SETTINGS and load_image(path).size == (10, 20)


@pytest.mark.parametrize("kind", CLIPS)
def test_source_images_come_back_from_a_clip(tmp_path, kind):
    path = make(tmp_path, kind)
    png = save_image(numbered_frames(1)[0], tmp_path / "start", "png").read_bytes()
    jpg = save_image(numbered_frames(1)[0], tmp_path / "ref", "jpeg_80").read_bytes()
    images = {
        "image_start": [SourceImage("start.png", png)],
        "image_refs": [SourceImage("one.jpg", jpg), SourceImage("two.png", png)],
    }
    write_settings(path, SETTINGS, images=images)
    assert read_source_images(path) == images
    write_settings(path, {"seed": 3})
    assert read_settings(path) == {"seed": 3} and read_source_images(path) == images
    assert len(read_frames(path)[0]) == 10


def test_mp4_source_images_are_in_the_atoms_that_wangp_reads(tmp_path):
    path = make(tmp_path, "mp4")
    write_settings(path, SETTINGS, images={"image_start": [SourceImage("a.png", b"\x89PNG\r\n\x1a\n...")]})
    tags = MP4(path).tags
    assert bytes(tags["----:com.apple.iTunes:EMBEDDED_IMAGES"][0]) == b"\x89PNG\r\n\x1a\n..."
    index = json.loads(bytes(tags["----:com.apple.iTunes:IMAGE_METADATA"][0]))
    assert index == {"image_start": [{"index": 0, "filename": "a.png", "extension": ".png"}]}


def test_a_hostile_image_index_names_no_other_folder(tmp_path):
    path = make(tmp_path, "mp4")
    write_settings(path, SETTINGS, images={"image_start": [SourceImage("../../etc/passwd", b"\x89PNG\r\n\x1a\n")]})
    assert read_source_images(path)["image_start"][0].filename == "passwd"


def test_settings_can_be_kept_beside_the_file_or_nowhere(tmp_path):
    path = make(tmp_path, "mp4")
    before = path.read_bytes()
    assert write_settings(path, SETTINGS, "json") == sidecar_path(path) == tmp_path / "file.json"
    assert read_settings(path) == SETTINGS and read_settings(tmp_path / "file.json") == SETTINGS
    assert write_settings(path, {"seed": 9}, "none") is None
    assert path.read_bytes() == before and read_settings(path) == SETTINGS


def test_settings_too_large_for_a_jpeg_are_kept_beside_it(tmp_path):
    path = make(tmp_path, "jpeg_95")
    settings = {"prompt": "é" * 40_000}
    assert write_settings(path, settings) == tmp_path / "file.json"
    assert read_settings(path) == settings


def test_an_unknown_metadata_type_is_refused(tmp_path):
    with pytest.raises(MediaError, match="metadata_type: 'xml' is not known"):
        write_settings(make(tmp_path, "png"), {}, "xml")


@pytest.mark.parametrize("key", ["comment", "COMMENT", "description", "DESCRIPTION"])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_the_tags_of_other_writers_are_read(tmp_path, key, container):
    path = tmp_path / f"other.{container}"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        output.metadata[key] = json.dumps(SETTINGS)
        output.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_frames(1)[0])))
        output.mux(stream.encode(None))
    assert read_settings(path) == SETTINGS


def test_a_png_comment_of_another_writer_is_read(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", json.dumps(SETTINGS), zip=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    assert read_settings(tmp_path / "a.png") == SETTINGS


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + "\ufeff".encode("utf-16-be") + json.dumps(SETTINGS).encode("utf-16-be"),
        b"UNICODE\0" + json.dumps(SETTINGS).encode("utf-16-be"),
        b"UNICODE\0" + b"\xff\xfe" + json.dumps(SETTINGS).encode("utf-16-le"),
        bytes(8) + json.dumps(SETTINGS, ensure_ascii=False).encode(),
        json.dumps(SETTINGS).encode(),
    ],
)
def test_user_comments_of_other_writers_are_read(tmp_path, comment):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert read_settings(tmp_path / "a.jpg") == SETTINGS


HOSTILE = ["", "hello", "[1, 2]", '{"a": ', "[" * 100_000, '{"a":' * 100_000, '"text"', "null", "{}", "9" * 10_000,
           '{"_wangp_metadata_reserved":true}' + " " * 5000]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", ["png", "mp4", "mkv", "mp3_128"])
def test_a_comment_that_holds_no_settings_is_none(tmp_path, kind, text):
    path = make(tmp_path, kind)
    if kind == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("comment", text)
        Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    elif kind == "mp4":
        file = MP4(path)
        file["\xa9cmt"] = [text]
        file.save()
    elif kind == "mp3_128":
        write_settings(path, {"a": 1})
        tags = ID3(path)
        tags["TXXX:WanGP"].text = [text]
        tags.save(path)
    else:
        with av.open(str(path), "w", format="matroska") as output:
            stream = output.add_stream("libx264", rate=8)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            output.metadata["COMMENT"] = text
            output.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_frames(1)[0])))
            output.mux(stream.encode(None))
    assert read_settings(path) is None


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Truncated File Read")
@pytest.mark.parametrize("kind", [*IMAGES, *CLIPS, *SOUNDS])
def test_damaged_files_hold_no_settings_and_raise_nothing(tmp_path, kind):
    path = make(tmp_path, kind)
    write_settings(path, SETTINGS)
    data = path.read_bytes()
    random = np.random.default_rng(4)
    for cut in (10, 40, len(data) // 3, len(data) - 20):
        path.write_bytes(data[:cut])
        assert read_settings(path) in (None, SETTINGS)
    for _ in range(30):
        broken = bytearray(data)
        for at in random.integers(8, len(data), 40):
            broken[at] = random.integers(0, 256)
        path.write_bytes(bytes(broken))
        found = read_settings(path)
        assert found is None or isinstance(found, dict)
        read_source_images(path)


def test_a_settings_file_is_read_and_other_text_is_not(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(SETTINGS), encoding="utf-8-sig")
    (tmp_path / "b.json").write_text("[]")
    (tmp_path / "c.txt").write_text("hello")
    assert read_settings(tmp_path / "a.json") == SETTINGS
    assert read_settings(tmp_path / "b.json") is None and read_settings(tmp_path / "c.txt") is None


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(MediaError, match="there is no such file"):
        read_settings(tmp_path / "gone.mp4")


def test_values_that_json_does_not_know_are_written_as_text(tmp_path):
    path = make(tmp_path, "mp4")
    write_settings(path, {"path": path, "broken": "a\ud800b"})
    assert read_settings(path) == {"path": str(path), "broken": "a?b"}


def test_who_wrote_the_settings_can_be_told():
    assert is_from_wangp(SETTINGS) and not is_from_wangp({"type": "other"}) and not is_from_wangp({})
