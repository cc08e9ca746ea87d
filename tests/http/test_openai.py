"""The OpenAI-compatible endpoints, called by OpenAI's own SDK."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from PIL import Image

from shared.core.errors import MediaError
from shared.media.edit_masks import edit_mask
from tests.http.replay import picture_bytes
from tests.http.served import ServedConversation

PICTURE = ("started", "preview", "step 2/4", "output image", "done")
CLIP = ("started", "step 2/4", "output video", "done")


def client_of(served: ServedConversation, key: str = "s3cret") -> openai.OpenAI:
    return openai.OpenAI(base_url=served.url + "/v1", api_key=key, max_retries=0, timeout=20)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedConversation]:
    with ServedConversation("openai", tmp_path, ("--apikey", "s3cret"), PICTURE) as made:
        yield made


@pytest.fixture
def films(tmp_path: Path) -> Iterator[ServedConversation]:
    with ServedConversation("openai", tmp_path, ("--apikey", "s3cret"), CLIP) as made:
        yield made


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[ServedConversation]:
    with ServedConversation("openai", tmp_path, ("--queue-size", "1")) as made:
        yield made


def transparent_mask() -> bytes:
    mask = Image.new("RGBA", (64, 48), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (8, 8, 24, 24))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def size_of(b64: str | None) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(b64 or ""))).size


class TestPictures:
    def test_pictures_from_a_prompt(self, served: ServedConversation) -> None:
        reply = client_of(served).images.generate(
            model="gpt-image-2", prompt="a star", n=2, size="128x96", quality="low"
        )
        assert reply.data is not None and [size_of(one.b64_json) for one in reply.data] == [(64, 48)] * 2
        assert reply.output_format == "png" and reply.background == "opaque" and reply.size == "128x96"
        settings = served.runtime.queue.find(served.context.jobs.ended("openai")[-1].id).params
        assert settings["repeat_generation"] == 2 and settings["resolution"] == "128x96"
        assert settings["num_inference_steps"] == 10 and settings["model_type"] == "starter"

    def test_a_picture_by_its_address(self, served: ServedConversation) -> None:
        reply = client_of(served).images.generate(prompt="a star", response_format="url", output_format="webp")
        assert reply.data is not None and reply.data[0].b64_json is None
        url = reply.data[0].url or ""
        assert url.startswith(f"{served.url}/v1/images/files/") and url.endswith("-0.webp")
        assert served.client.get(url.removeprefix(served.url)).status_code == 200

    def test_a_stream_shows_the_picture_as_it_stands_and_as_it_ends(self, served: ServedConversation) -> None:
        stream = client_of(served).images.generate(prompt="a star", stream=True, partial_images=2, size="128x128")
        events = list(stream)
        assert events[-1].type == "image_generation.completed" and size_of(events[-1].b64_json) == (64, 48)
        assert {event.type for event in events[:-1]} <= {"image_generation.partial_image"}
        assert [event.partial_image_index for event in events[:-1]] == list(range(len(events) - 1))

    def test_an_edit_where_the_mask_is_transparent(self, served: ServedConversation) -> None:
        reply = client_of(served).images.edit(
            image=("a.png", picture_bytes(64, 48)), mask=("m.png", transparent_mask()), prompt="a hat", size="128x96"
        )
        assert reply.data is not None and size_of(reply.data[0].b64_json) == (64, 48)
        settings = served.runtime.queue.find(served.context.jobs.ended("openai")[-1].id).params
        assert settings["image_mode"] == 2 and settings["denoising_strength"] == 1.0
        assert Image.open(settings["image_guide"]).size == Image.open(settings["image_mask"]).size == (128, 96)
        mask = Image.open(settings["image_mask"])
        assert (mask.getpixel((30, 30)), mask.getpixel((100, 80))) == (255, 0)

    def test_an_edit_of_a_whole_picture(self, served: ServedConversation) -> None:
        client = client_of(served)
        client.images.edit(image=picture_bytes(64, 48), prompt="a hat", extra_body={"strength": 0.4, "seed": 9})
        settings = served.runtime.queue.find(served.context.jobs.ended("openai")[-1].id).params
        assert settings["video_prompt_type"] == "V" and settings["denoising_strength"] == 0.4 and settings["seed"] == 9
        with pytest.raises(openai.BadRequestError, match="takes one picture"):
            client.images.edit(image=[picture_bytes(64, 48), picture_bytes(48, 64)], prompt="a hat")

    def test_refusals_are_the_errors_of_the_sdk(self, served: ServedConversation) -> None:
        client = client_of(served)
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
            client_of(served, "wrong").images.generate(prompt="a star")
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.generate(prompt="a star", n=11)
        assert refused.value.param == "n" and refused.value.code == "invalid_value"
        for options in ({"size": "big"}, {"output_format": "svg"}, {"background": "transparent"}, {"prompt": ""}):
            with pytest.raises(openai.BadRequestError):
                client.images.generate(**{"prompt": "a star", **options})  # type: ignore[call-overload]
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.edit(image=b"no picture at all", prompt="a hat")
        assert refused.value.param == "image"
        with pytest.raises(openai.NotFoundError):
            client.videos.retrieve("video_none")

    def test_a_full_queue_asks_to_try_again(self, waiting: ServedConversation) -> None:
        client = client_of(waiting)
        client.videos.create(prompt="a ball moves")
        with pytest.raises(openai.RateLimitError) as refused:
            client.images.generate(prompt="a star")
        assert refused.value.code == "queue_full"

    def test_a_task_that_fails_is_no_reason_to_try_again(self, tmp_path: Path) -> None:
        failing = ServedConversation("openai", tmp_path, happenings=("started", "failed There is too little memory."))
        with failing as served, pytest.raises(openai.BadRequestError, match="There is too little memory"):
            client_of(served).images.generate(prompt="a star")


class TestVideos:
    def test_a_clip_from_its_order_to_its_file(self, films: ServedConversation) -> None:
        client = client_of(films)
        video = client.videos.create_and_poll(
            model="sora-2", prompt="a ball moves right", seconds="4", size="1280x720",
            input_reference=("a.png", picture_bytes(64, 48)), poll_interval_ms=50,
        )  # fmt: skip
        assert (
            video.status == "completed" and video.progress == 100 and video.seconds == "4" and video.size == "1280x720"
        )
        assert video.prompt == "a ball moves right" and video.object == "video" and video.completed_at
        assert client.videos.download_content(video.id).read() == b"clip"
        settings = films.runtime.queue.find(video.id).params
        assert settings["video_length"] == 32 and Image.open(settings["image_start"]).size == (1280, 720)
        again = client.videos.remix(video.id, prompt="a ring moves left")
        assert again.remixed_from_video_id == video.id and again.id != video.id
        assert [one.id for one in client.videos.list()] == [again.id, video.id]
        page = client.videos.list(limit=1)
        assert page.has_more and [one.id for one in client.videos.list(after=again.id)] == [video.id]
        client.videos.poll(again.id, poll_interval_ms=50)
        assert client.videos.delete(video.id).deleted
        with pytest.raises(openai.NotFoundError):
            client.videos.retrieve(video.id)

    def test_a_clip_that_waits(self, waiting: ServedConversation) -> None:
        client = client_of(waiting)
        video = client.videos.create(prompt="a ball moves", extra_body={"steps": 5, "seed": 3})
        assert video.status == "queued" and video.progress == 0 and video.error is None
        with pytest.raises(openai.NotFoundError):
            client.videos.download_content(video.id)
        client.videos.delete(video.id)
        gone = client.videos.retrieve(video.id)
        assert gone.status == "failed" and gone.error is not None and gone.error.code == "cancelled"

    def test_models(self, films: ServedConversation, root: Path) -> None:
        (films.runtime.root / "ckpts").symlink_to(root / "ckpts")
        client = client_of(films)
        assert [model.id for model in client.models.list()] == ["starter"]
        assert client.models.retrieve("starter").object == "model"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt-9")


class TestMasks:
    def test_transparent_is_made_anew(self) -> None:
        mask = Image.open(io.BytesIO(edit_mask(transparent_mask(), (64, 48))))
        assert mask.mode == "L" and (mask.getpixel((16, 16)), mask.getpixel((40, 40))) == (255, 0)

    def test_white_is_made_anew_where_nothing_is_transparent(self) -> None:
        picture = Image.new("L", (64, 48))
        picture.paste(255, (0, 0, 32, 48))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        mask = Image.open(io.BytesIO(edit_mask(buffer.getvalue(), (32, 24))))
        assert mask.size == (32, 24) and (mask.getpixel((4, 4)), mask.getpixel((30, 4))) == (255, 0)

    def test_a_mask_of_nothing_is_refused(self) -> None:
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "PNG")
        with pytest.raises(MediaError, match="selects nothing"):
            edit_mask(buffer.getvalue(), (8, 8))
