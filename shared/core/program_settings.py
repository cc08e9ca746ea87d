"""The settings of the program that a user can change, declared once: what `wgp_config.json` holds, and its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.config import Config
from shared.core.errors import SettingsError
from shared.core.flags import ATTENTION_MODES, PROFILES
from shared.core.params import Param

NEED_RESTART = frozenset({"queue_size", "queue_history", "server_name", "server_port", "auth", "apikey", "base_url"})
SECRET = frozenset({"hf_token", "auth", "apikey"})

_PROFILES = {
    1: "1: all in graphics memory", 2: "2: much main memory", 3: "3: much graphics memory",
    3.5: "3.5: the same, unpinned", 4: "4: usual", 4.5: "4.5: leaner", 5: "5: least",
}  # fmt: skip
_VIDEO_CODECS = (
    ("H.264, small and good", "libx264_8"),
    ("H.264, nearly lossless", "libx264_10"),
    ("H.264, lossless", "libx264_lossless"),
    ("H.265, good", "libx265_8"),
    ("H.265, smallest", "libx265_28"),
    ("ProRes 422 (mov, mkv)", "prores_422"),
    ("DNxHR HQ (mov, mkv)", "dnxhr_hq"),
)
_IMAGE_CODECS = (
    ("PNG", "png"),
    ("JPEG, best", "jpeg_95"),
    ("JPEG, smaller", "jpeg_80"),
    ("WebP, best", "webp_95"),
    ("WebP, smaller", "webp_80"),
    ("WebP, lossless", "webp_lossless"),
)
_QUANTISATIONS = (("8 bit (int8)", "int8"), ("8 bit (fp8)", "fp8"), ("None: 16 bit", ""))


@dataclass(frozen=True)
class ProgramSetting:
    """One setting of the program: its declaration, and the section of the page that shows it."""

    param: Param
    section: str

    @property
    def needs_restart(self) -> bool:
        """Whether only a restart brings a change into force; else it holds from the next task on."""
        return self.param.name in NEED_RESTART

    @property
    def is_secret(self) -> bool:
        """Whether the value is never shown."""
        return self.param.name in SECRET


def _on(name: str, label: str, help_text: str) -> Param:
    return Param(name, "bool_int", 0, label, help_text, "advanced")


def _choice(name: str, label: str, help_text: str, choices: tuple[tuple[str, Any], ...]) -> Param:
    return Param(name, "choice", choices[0][1], label, help_text, "advanced", choices=choices)


def _text(name: str, label: str, help_text: str) -> Param:
    return Param(name, "text", "", label, help_text, "advanced")


def _number(name: str, label: str, help_text: str, bounds: tuple[float, float, float], unit: str = "") -> Param:
    least, most, step = bounds
    return Param(
        name, "float" if step < 1 else "int", least, label, help_text, "advanced",
        minimum=least, maximum=most, step=step, unit=unit,
    )  # fmt: skip


def _profile(name: str, what: str) -> Param:
    choices = tuple((_PROFILES[value], value) for value in PROFILES if value in _PROFILES)
    return _choice(
        name, f"Memory profile for {what}", "How a model is spread over graphics memory and main memory.", choices
    )


_DECLARED: Mapping[str, tuple[Param, ...]] = {
    "appearance": (
        _choice(
            "language",
            "Language",
            "What a visitor reads who has chosen none on the page.",
            (("As the browser asks", ""), ("English", "en"), ("中文", "zh")),
        ),
        _choice(
            "UI_theme",
            "Light or dark",
            "What a visitor sees who has chosen neither on the page.",
            (("As the system", "default"), ("Light", "light"), ("Dark", "dark")),
        ),
        _on(
            "notification_sound_enabled", "Sound at the end of a task", "A short tone when a task of this window ends."
        ),
        _number("notification_sound_volume", "Volume of the tone", "How loud it is.", (0, 100, 5), unit="%"),
    ),
    "outputs": (
        _choice("video_output_codec", "Clips", "How clips are encoded.", _VIDEO_CODECS),
        _choice(
            "video_container",
            "Kind of clip file",
            "ProRes and DNxHR are kept in mov or mkv.",
            (("mp4", "mp4"), ("mov", "mov"), ("mkv", "mkv")),
        ),
        _choice("image_output_codec", "Pictures", "How pictures are saved.", _IMAGE_CODECS),
        _choice(
            "audio_output_codec",
            "Sound in clips",
            "How the sound of a clip is encoded.",
            (("AAC, 128 kbit/s", "aac_128"), ("AAC, 192 kbit/s", "aac_192"), ("AAC, 320 kbit/s", "aac_320")),
        ),
        _choice(
            "audio_stand_alone_output_codec",
            "Sounds",
            "How a sound without a clip is saved.",
            (("WAV", "wav"), ("FLAC", "flac"), ("MP3, 192 kbit/s", "mp3_192"), ("MP3, 320 kbit/s", "mp3_320")),
        ),
        _choice(
            "metadata_type",
            "Settings of a result",
            "Where the settings go that a result was made with.",
            (("Inside the file", "metadata"), ("In a .json file beside it", "json"), ("Nowhere", "none")),
        ),
        _on(
            "embed_source_images",
            "Keep start pictures in clips",
            "Puts the start, end and reference pictures into the file of a clip.",
        ),
        _text(
            "output_filename",
            "File name",
            "A template for results whose task has none of its own, such as {date}_{seed}_{prompt(40)}; "
            "empty for the usual name. Also {resolution}, {steps}, {frames}, {cfg}.",
        ),
        _choice(
            "fit_canvas",
            "Shape of a start picture",
            "What happens when a given picture has another shape than the resolution.",
            (("Keep its shape, as many pixels", 0), ("Keep its shape, within the size", 1), ("Cut it to the size", 2)),
        ),
    ),
    "performance": (
        _profile("video_profile", "clips"),
        _profile("image_profile", "pictures"),
        _profile("audio_profile", "sound"),
        _choice(
            "attention_mode",
            "Attention",
            "The code that computes attention; the best here is measured on this machine.",
            tuple(("The best here" if mode == "auto" else mode, mode) for mode in ATTENTION_MODES),
        ),
        _choice(
            "transformer_quantization",
            "Precision of the model",
            "8 bit halves the memory and costs little quality.",
            _QUANTISATIONS,
        ),
        _choice(
            "text_encoder_quantization",
            "Precision of the text encoder",
            "The same for the network that reads the prompt.",
            _QUANTISATIONS,
        ),
        _choice(
            "transformer_dtype_policy",
            "Kind of 16-bit numbers",
            "Older graphics cards are faster with fp16.",
            (("The model's own", ""), ("bf16", "bf16"), ("fp16", "fp16")),
        ),
        _choice(
            "vae_precision",
            "Precision of the VAE",
            "32 bit draws smoother gradients and needs twice the memory.",
            (("16 bit", "16"), ("32 bit", "32")),
        ),
        _choice(
            "vae_config",
            "VAE in tiles",
            "Tiles save memory while frames are drawn and take a little longer.",
            (("By need", 0), ("Never", 1), ("Tiles of 256 pixels", 2), ("Tiles of 128 pixels", 3)),
        ),
        _on(
            "boost", "Both sides of guidance at once", "Faster where it gives the same; needs a little more memory."
        ),
        _choice(
            "compile",
            "Compile the model",
            "Up to a third faster after a first, slow run of each size; needs a C compiler.",
            (("No", ""), ("Yes", "transformer")),
        ),
        _number(
            "preload_in_VRAM",
            "Kept on the card",
            "How much of a streamed model stays in graphics memory; 0 leaves it to the profile.",
            (0, 40000, 100),
            unit="MB",
        ),
        _number(
            "vram_safety_coefficient",
            "Share of graphics memory",
            "How much of the card the program may plan with; less leaves room for others.",
            (0.1, 1, 0.05),
        ),
    ),
    "queue": (
        _number(
            "queue_size",
            "Tasks of the HTTP services",
            "How many of their tasks may wait; further ones are refused.",
            (1, 10000, 1),
        ),
        _number(
            "queue_history",
            "Finished tasks kept",
            "How many finished tasks the HTTP services can still be asked about; 0 keeps all.",
            (0, 100000, 1),
        ),
    ),
    "paths": (
        _text("save_path", "Clips", "Folder of finished clips; a relative path starts at the configuration's folder."),
        _text("image_save_path", "Pictures", "Folder of finished pictures."),
        _text("audio_save_path", "Sounds", "Folder of finished sounds."),
        Param(
            "checkpoints_paths",
            "list",
            (),
            "Models",
            "Folders in which weights are looked for, one a line; new ones are downloaded into the first.",
            "advanced",
            multiline=True,
        ),
        _text("loras_root", "LoRAs", "Folder with a folder of LoRA files for each family of models."),
    ),
    "downloads": (
        _on("offline", "Stay offline", "Downloads nothing; what is on disk must do."),
        _text("hf_token", "Hugging Face token", "For models whose page asks for an agreement first."),
        _text("hf_endpoint", "Address of the hub", "A mirror of the Hugging Face hub; empty for the usual one."),
    ),
    "network": (
        _text(
            "server_name",
            "Address",
            "Where the page listens: localhost for this machine alone, 0.0.0.0 for the whole network. "
            "Empty for localhost.",
        ),
        _number("server_port", "Port", "The page's port; 0 for the usual 7860.", (0, 65535, 1)),
        _text("auth", "Login", "USER:PASSWORD that the page asks for; empty for none."),
        _text(
            "apikey",
            "Key of the HTTP services",
            "What their clients must send; without one the Wan service refuses all, the others take all.",
        ),
        _text(
            "base_url",
            "Base URL",
            "Start of the addresses in replies, where the program is reached through another server.",
        ),
        _on(
            "allow_private_urls",
            "Private addresses",
            "Lets pictures and webhooks of tasks come from addresses of the own network.",
        ),
    ),
}

PROGRAM_SETTINGS: tuple[ProgramSetting, ...] = tuple(
    ProgramSetting(param, section) for section, params in _DECLARED.items() for param in params
)


def setting_of(name: str) -> ProgramSetting:
    """A setting by its key in the file. Raises SettingsError for one that cannot be changed here."""
    found = next((setting for setting in PROGRAM_SETTINGS if setting.param.name == name), None)
    if found is None:
        raise SettingsError(f"{name}: this is no setting of the program that can be changed.")
    return found


def problem_with(name: str, value: Any) -> str | None:
    """What is wrong with a value, as a sentence."""
    param = setting_of(name).param
    if name == "auth" and value and not all(str(value).partition(":")):
        return "auth: this is not accepted. Use USER:PASSWORD."
    if param.type == "list":
        return (
            None
            if isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value)
            else (f"{name}: use one folder a line.")
        )
    return param.check(value)


def suggested_profile(card_bytes: int, memory_bytes: int) -> float | None:
    """The fastest memory profile that suits a machine; None without a graphics card."""
    if not card_bytes:
        return None
    card, memory = card_bytes / 1e9, memory_bytes / 1e9
    table = ((1, 23, 60), (3, 23, 30), (2, 11, 60), (4, 11, 30))
    return next((profile for profile, least, ram in table if card >= least and memory >= ram), 5)


def fill_flags(flags: Any, usual: Any, config: Config) -> None:
    """Give the flags that nobody set what the configuration says of them."""
    for name in ("server_name", "server_port", "auth", "apikey", "base_url", "queue_size", "queue_history"):
        value = config.get(name)
        if value not in (None, "", 0) and getattr(flags, name) == getattr(usual, name):
            setattr(flags, name, value)
