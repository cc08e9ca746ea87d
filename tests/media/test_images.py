"""Pictures: everything a user can hand in, fitting, enlarging, saving."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from shared.core.errors import MediaError, SettingsError
from shared.media.images import (
    fit,
    image_extension,
    lanczos_scale,
    load_image,
    load_mask,
    save_image,
    save_images,
    upsample,
)
from shared.media.metadata import read_settings
from shared.media.video import write_video
from shared.media.virtual import clear_virtual_media_source, store_virtual_image
from tests.media.conftest import number_of, numbered_frames, psnr


@pytest.fixture
def picture():
    return Image.fromarray(numbered_frames(1)[0])


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_a_picture_is_read_from_every_kind_of_source(tmp_path, picture):
    data = encoded(picture)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    uri = "data:image/png;base64," + base64.b64encode(data).decode()
    array = np.asarray(picture)
    for source in (
        path,
        str(path),
        data,
        bytearray(data),
        uri,
        uri.replace("data:image", "DATA:image"),
        picture,
        array,
    ):
        read = load_image(source)
        assert read.mode == "RGB" and same(read, picture)
    assert same(load_image((array / 127.5 - 1).astype(np.float32)), picture)


def test_the_type_is_told_by_content_not_by_name(tmp_path, picture):
    path = tmp_path / "really.png"
    path.write_bytes(encoded(picture, "WEBP", lossless=True))
    assert same(load_image(path), picture)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "PPM", "WEBP", "JPEG", "AVIF"])
def test_the_usual_formats_are_read(tmp_path, picture, kind):
    (tmp_path / "file").write_bytes(encoded(picture, kind))
    assert load_image(tmp_path / "file").size == picture.size


@pytest.mark.parametrize(("orientation", "turns", "flip"), [(1, 0, 0), (2, 0, 1), (3, 2, 0), (6, 3, 0), (8, 1, 0)])
def test_a_photo_is_turned_upright(picture, orientation, turns, flip):
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = np.rot90(np.asarray(picture), turns)
    expected = expected[:, ::-1] if flip else expected
    assert same(load_image(encoded(picture, exif=exif)), expected)


def test_transparent_parts_become_white():
    image = Image.new("RGBA", (4, 1), (0, 0, 0, 0))
    image.putpixel((0, 0), (200, 10, 20, 255))
    image.putpixel((1, 0), (0, 0, 0, 128))
    pixels = np.asarray(load_image(encoded(image)))[0].tolist()
    assert pixels[0] == [200, 10, 20] and pixels[3] == [255, 255, 255] and pixels[1][0] in (126, 127, 128)


def test_a_palette_with_a_transparent_colour_is_read():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert np.asarray(load_image(encoded(image, transparency=1)))[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_deep_pictures_are_brought_to_8_bits_without_clipping():
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    read = np.asarray(load_image(encoded(Image.fromarray(values))))[..., 0]
    assert np.abs(read.ravel().astype(int) - np.arange(256)).max() <= 1


def test_cmyk_and_grey_become_rgb():
    assert load_image(encoded(Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "JPEG")).getpixel((1, 1)) == (255, 255, 255)
    assert load_image(encoded(Image.new("L", (4, 4), 77))).getpixel((0, 0)) == (77, 77, 77)


def test_colour_profiles_are_turned_into_srgb(picture):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert psnr(np.asarray(load_image(encoded(picture, icc_profile=srgb))), np.asarray(picture)) > 50
    assert same(load_image(encoded(picture, icc_profile=b"broken profile")), picture)


def test_a_frame_of_a_clip_is_a_picture(tmp_path):
    path = write_video(numbered_frames(40), tmp_path / "clip.mp4", 16)
    assert number_of(np.asarray(load_image(path))) == 0
    assert number_of(np.asarray(load_image(f"{path}|start_frame=33"))) == 33
    assert number_of(np.asarray(load_image(f"{path}|start_frame=-1"))) == 39


def test_a_picture_in_memory_and_one_with_a_suffix_are_read(tmp_path, picture):
    store_virtual_image("image-test", "held", picture)
    try:
        assert same(load_image("held|vsource=image-test"), picture)
    finally:
        clear_virtual_media_source("image-test")
    path = save_image(picture, tmp_path / "a", "png")
    assert same(load_image(f"{path}|start_frame=0"), picture)


def bomb(width, height):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (20_000, 10_000)])
def test_a_decompression_bomb_is_refused_with_its_size(width, height):
    with pytest.raises(MediaError, match=rf"too many pixels|{width}x{height} is .* at most 120 million"):
        load_image(bomb(width, height))


def test_the_pixel_bound_can_be_lowered(picture):
    with pytest.raises(MediaError, match="96x64 is 0 million pixels"):
        load_image(encoded(picture), max_pixels=6000)
    with pytest.raises(MediaError, match="96x64"):
        load_image(picture, max_pixels=6000)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "an empty file"),
        (b"not a picture at all", "a text file"),
        (b'{"seed": 1}', "a JSON text"),
        (b"PK\x03\x04zip", "a ZIP archive"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a WAV sound"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"%!PS-Adobe-3.0 EPSF", "a text file"),
        (bytes(range(256)), "damaged"),
    ],
)
def test_what_is_no_picture_is_named_and_told_what_it_is(tmp_path, content, what):
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(MediaError, match=what):
            load_image(source)
    with pytest.raises(MediaError, match=r"photo\.png"):
        load_image(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF"])
def test_a_picture_that_is_cut_short_is_refused(tmp_path, kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    data = encoded(noise, kind)
    for part in (0.6, 0.1):
        with pytest.raises(MediaError, match="damaged or cut short"):
            load_image(data[: int(len(data) * part)])


@pytest.mark.parametrize(
    "source", ["data:image/png;base64", "data:image/png;base64,%%%", "data:,hello", "gone.png", "a\0b"]
)
def test_bad_texts_are_told(source):
    with pytest.raises(MediaError):
        load_image(source)


def test_a_file_far_too_large_is_refused_unread(tmp_path):
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(600 * 2**20)
    with pytest.raises(MediaError, match=r"huge\.png: the file is larger than 512 MB"):
        load_image(tmp_path / "huge.png")


def test_a_source_of_a_wrong_type_is_told():
    with pytest.raises(MediaError, match="cannot be made from int"):
        load_image(7)
    with pytest.raises(MediaError, match=r"\(2, 2, 2, 2\) is not a picture"):
        load_image(np.zeros((2, 2, 2, 2), np.uint8))


def test_a_mask_is_the_brightness_or_the_alpha(tmp_path):
    grey = Image.new("L", (4, 2), 0)
    grey.putpixel((1, 1), 255)
    assert same(load_mask(encoded(grey)), grey)
    assert same(load_mask(encoded(grey.convert("RGB"))), grey)
    drawn = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    drawn.putpixel((1, 1), (0, 0, 0, 255))
    assert same(load_mask(encoded(drawn)), grey)
    assert load_mask(encoded(grey.convert("1"))).mode == "L"


@pytest.mark.parametrize(("mode", "size"), [(0, (320, 160)), (1, (320, 160)), (2, (256, 200))])
def test_a_picture_is_fitted_as_the_configuration_says(mode, size):
    image = Image.new("RGB", (400, 200))
    width, height = {0: (256, 200), 1: (320, 200), 2: (256, 200)}[mode]
    assert fit(image, width, height, mode).size == size


def test_an_exact_fit_cuts_evenly_and_does_not_stretch():
    image = Image.new("RGB", (300, 100), (255, 0, 0))
    image.paste((0, 255, 0), (100, 0, 200, 100))
    fitted = np.asarray(fit(image, 50, 50, 2))
    assert np.abs(fitted[:, 4:-4].astype(int) - (0, 255, 0)).max() < 12


@pytest.mark.parametrize(("text", "scale"), [("", None), ("flashvsr2", None), ("lanczos1.5", 1.5), ("lanczos2", 2.0)])
def test_the_lanczos_factor_is_parsed(text, scale):
    assert lanczos_scale(text) == scale


@pytest.mark.parametrize("text", ["lanczos", "lanczos0.5", "lanczos9", "lanczosx", "lanczos1e3"])
def test_a_bad_lanczos_factor_is_refused(text):
    with pytest.raises(SettingsError, match=f"spatial_upsampling: '{text}' is not accepted"):
        lanczos_scale(text)


def test_enlarging_keeps_the_picture_and_gives_even_sides():
    frames = numbered_frames(3, 95, 63)
    larger = list(upsample(frames, 1.5))
    assert [frame.shape for frame in larger] == [(94, 142, 3)] * 3 and larger[0].dtype == np.uint8
    back = np.asarray(Image.fromarray(larger[1]).resize((95, 63), Image.Resampling.LANCZOS))
    assert psnr(back[8:], frames[1][8:]) > 40


def test_a_frame_enlarged_beyond_all_use_is_refused():
    with pytest.raises(MediaError, match="spatial_upsampling: 16000x8000 is too large"):
        next(upsample(np.zeros((1, 1000, 2000, 3), np.uint8), 8))


@pytest.mark.parametrize(
    ("codec", "extension", "least_psnr"),
    [("png", ".png", 99), ("webp_lossless", ".webp", 99), ("jpeg_95", ".jpg", 40), ("jpeg_70", ".jpg", 30),
     ("webp_90", ".webp", 33), ("jpg_85", ".jpg", 33)],
)  # fmt: skip
def test_pictures_are_saved_by_codec_name(tmp_path, picture, codec, extension, least_psnr):
    path = save_image(picture, tmp_path / "made", codec, {"seed": 5})
    assert path == tmp_path / f"made{extension}" and image_extension(codec) == extension
    assert psnr(np.asarray(load_image(path)), np.asarray(picture)) >= least_psnr
    assert read_settings(path) == {"seed": 5}


@pytest.mark.parametrize("codec", ["gif", "jpeg", "jpeg_0", "jpeg_101", "webp_", "png_9"])
def test_an_unknown_image_codec_is_refused(tmp_path, picture, codec):
    with pytest.raises(MediaError, match=f"image_output_codec: '{codec}' is not known"):
        save_image(picture, tmp_path / "a", codec)
    assert list(tmp_path.iterdir()) == []


def test_names_with_dots_keep_them(tmp_path, picture):
    assert save_image(picture, tmp_path / "seed1_a v1.5", "png").name == "seed1_a v1.5.png"
    assert save_image(picture, tmp_path / "a.jpeg", "jpeg_95").name == "a.jpeg"
    assert save_image(picture, tmp_path / "a.jpg", "png").name == "a.png"


def test_a_batch_is_numbered_and_a_single_picture_is_not(tmp_path):
    batch = numbered_frames(3)
    assert [path.name for path in save_images(batch, tmp_path / "b.png", "png")] == ["b_1.png", "b_2.png", "b_3.png"]
    assert save_images(batch[:1], tmp_path / "c.png", "png") == [tmp_path / "c.png"]
    assert same(load_image(tmp_path / "b_2.png"), batch[1])


def test_a_picture_too_wide_for_its_format_is_refused(tmp_path):
    with pytest.raises(MediaError, match="does not fit the WEBP format"):
        save_image(np.zeros((1, 16384, 3), np.uint8), tmp_path / "wide", "webp_90")


def test_transparency_is_kept_where_the_format_has_it(tmp_path):
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 40))
    with Image.open(save_image(image, tmp_path / "a", "png")) as read:
        assert read.getpixel((0, 0)) == (10, 20, 30, 40)
    assert Image.open(save_image(image, tmp_path / "a", "jpeg_95")).mode == "RGB"


def test_an_unwritable_place_is_told(tmp_path, picture):
    (tmp_path / "file").write_text("x")
    with pytest.raises(Exception, match="could not be written"):
        save_image(picture, tmp_path / "file" / "a.png", "png")
    assert Path(tmp_path / "file").read_text() == "x"


def test_settings_too_large_for_a_jpeg_do_not_lose_the_picture(tmp_path, picture):
    settings = {"prompt": "é" * 40_000}
    path = save_image(picture, tmp_path / "a", "jpeg_95", settings)
    assert load_image(path).size == picture.size and read_settings(path) == settings
