"""Results handed back in memory, for callers that asked for them with `_api`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.core.state import GenState

MEDIA_WISHES = ("return_media", "return_video_uint8", "return_audio")


def get_api_output_options(plugin_data: Mapping[str, Any] | None) -> tuple[bool, bool]:
    """(pictures wanted, sound wanted) by the `_api` wishes that a task carries in `plugin_data["api"]`."""
    wishes = (plugin_data or {}).get("api")
    if not isinstance(wishes, Mapping):
        return False, False
    both = bool(wishes.get("return_media"))
    return both or bool(wishes.get("return_video_uint8")), both or bool(wishes.get("return_audio"))


def build_api_output_artifact_payload(
    path: str | None,
    media_type: str,
    frames: Any,
    audio: Any,
    audio_sr: int | None,
    fps: float | None,
    *,
    hdr: bool = False,
    flashvsr_continue_cache: Any = None,
) -> dict[str, Any]:
    """The payload that `GeneratedArtifact.from_payload` reads.

    `frames`: numpy (F, H, W, 3) uint8, a tensor [C, F, H, W] (floats are in -1..1), a list of either (joined on the
    frame axis), or None. It comes back as one contiguous tensor [C, F, H, W]: uint8, or with `hdr` as it is.
    """
    video = _as_tensor(frames)
    return {
        "path": path,
        "media_type": media_type,
        "video_tensor_uint8": None if hdr or video is None else _as_uint8(video),
        "video_tensor_hdr": video if hdr else None,
        "hdr": hdr,
        "audio_tensor": _as_float32(audio),
        "audio_sampling_rate": audio_sr,
        "fps": fps,
        "flashvsr_continue_cache": flashvsr_continue_cache,
    }


def as_tensors(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with its video as a torch tensor where it crossed a process border as a numpy array; no copy."""
    import numpy as np

    if not isinstance(payload.get("video_tensor_uint8"), np.ndarray):
        return payload
    import torch

    return {**payload, "video_tensor_uint8": torch.from_numpy(payload["video_tensor_uint8"])}


def store_api_output_artifact(gen: dict[str, Any], client_id: str, *media: Any, **options: Any) -> bool:
    """Keep a payload under its caller's id; `media` and `options` as in `build_api_output_artifact_payload`.

    Nothing is kept, and False returned, where there is no client id.
    """
    if not client_id:
        return False
    payload = build_api_output_artifact_payload(*media, **options)
    GenState(gen).api_output_artifacts[client_id] = {**payload, "client_id": client_id}
    return True


def _as_tensor(frames: Any) -> Any:
    """`frames` as one tensor [C, F, H, W], or None."""
    import torch

    if frames is None or (isinstance(frames, Sequence) and not len(frames)):
        return None
    if isinstance(frames, Sequence):
        parts = [_as_tensor(part) for part in frames]
        return torch.cat([part for part in parts if part is not None], dim=1)
    if torch.is_tensor(frames):
        return frames.detach()
    return torch.from_numpy(frames).permute(3, 0, 1, 2)


def _as_uint8(video: Any) -> Any:
    import torch

    if video.dtype != torch.uint8:
        video = video.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return video.cpu().contiguous()


def _as_float32(audio: Any) -> Any:
    import numpy as np

    if audio is None:
        return None
    return np.asarray(audio.cpu() if hasattr(audio, "cpu") else audio, dtype=np.float32)
