"""Sound that drives a clip, sound that is added to it, and voices."""

from __future__ import annotations

from shared.core.conditions import has_letter, is_set
from shared.core.declarations.rules import HAS_SOUND, TAKES_SOUND
from shared.core.params import Param

_HAS_PROCESSORS = is_set("audio_processors")
_LOCATION = r"\d+(\.\d+)?(:\d+(\.\d+)?){1,3}"

PARAMS: tuple[Param, ...] = (
    Param(
        "audio_prompt_type", "letters", "", "Driven by sound",
        "Which sounds drive the clip, and how two speakers share them.",
        "sound", pattern=r"[ABXCPKOFVLNR0-9]*",
        choices=(
            ("First sound", "A"), ("Second sound", "B"), ("Split two speakers", "X"), ("One after the other", "C"),
            ("Both at once", "P"), ("Track of the control clip", "K"), ("Sound made by the model", "O"),
            ("The whole track in each window", "F"), ("Leave out the background", "V"), ("May outlast the clip", "L"),
            ("Even out the loudness", "N"), ("Put the track into the result", "R"),
        ),
        accepts="flag letters: A (first sound), B (second sound), X, C, P, K, O, F, V, L, N, R",
        applies=TAKES_SOUND, unsupported="refuse",
    ),
    Param(
        "audio_guide", "media", None, "Sound",
        "The voice or music that drives the motion.",
        "sound", kind="audio", applies=TAKES_SOUND, unsupported="refuse",
    ),
    Param(
        "audio_guide2", "media", None, "Second sound",
        "The voice of the second speaker.",
        "sound", kind="audio", applies=is_set("multi_speakers"), unsupported="refuse",
    ),
    Param(
        "audio_scale", "float", 1.0, "Sound strength",
        "How strongly the given sound is followed.",
        "sound", minimum=0, maximum=1, step=0.01, applies=is_set("audio_scale"), visible_if=HAS_SOUND,
    ),
    Param(
        "speakers_locations", "text", "0:45 55:100", "Places of the speakers",
        "Where each speaker stands: left:right, or left:top:right:bottom, in percent of the picture.",
        "sound", unit="%", pattern=rf"\s*({_LOCATION}(\s+{_LOCATION})*)?\s*",
        accepts='places such as "0:45 55:100", in percent', applies=is_set("multi_speakers"),
        visible_if=has_letter("audio_prompt_type", "BXCP"),
    ),
    Param(
        "audio_source", "media", None, "Soundtrack",
        "A sound file that becomes the soundtrack of the result.",
        "sound", kind="audio", applies=_HAS_PROCESSORS, unsupported="refuse",
    ),
    Param(
        "postprocess_audio", "text", "", "Add sound",
        "How the finished clip gets its sound: made from the picture, or taken from the given file.",
        "sound", applies=_HAS_PROCESSORS, unsupported="refuse", accepts="the id of an audio processor",
    ),
    Param(
        "postprocess_audio_prompt", "text", "", "Sound: prompt",
        "A few words about what should be heard.",
        "sound", aliases=("MMAudio_prompt",), applies=_HAS_PROCESSORS, visible_if=is_set("postprocess_audio"),
    ),
    Param(
        "postprocess_audio_neg_prompt", "text", "", "Sound: negative prompt",
        "A few words about what should not be heard.",
        "sound", aliases=("MMAudio_neg_prompt",), applies=_HAS_PROCESSORS, visible_if=is_set("postprocess_audio"),
    ),
    Param(
        "replace_voice_method", "text", "", "Replace the voice",
        "Gives the speech in the result the voice of a sample.",
        "sound", applies=_HAS_PROCESSORS, unsupported="refuse", accepts="the id of a voice processor",
    ),
    Param(
        "replace_voice_sample", "media", None, "Voice sample",
        "A recording of the voice to take on.",
        "sound", kind="audio", applies=_HAS_PROCESSORS, visible_if=is_set("replace_voice_method"),
        unsupported="refuse",
    ),
    Param(
        "replace_voice_sample2", "media", None, "Voice sample of the second speaker",
        "A recording of the voice that the second speaker takes on.",
        "sound", kind="audio", applies=_HAS_PROCESSORS, visible_if=is_set("replace_voice_method"),
        unsupported="refuse",
    ),
)  # fmt: skip
