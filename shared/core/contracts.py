"""The seams between floors, as Protocols and the plain values that cross them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from shared.core.events import Event, Finished
    from shared.core.model_def import ModelDef
    from shared.core.params import Param
    from shared.core.task import Task


@dataclass(frozen=True)
class WindowRequest:
    """Everything a Pipeline needs to make one window of one sample (or a batch of them).

    Frames are numpy uint8 RGB. `prefix` (F,H,W,3) are frames that already exist and are kept as the first frames
    of the result; `image_start` and `image_end` (H,W,3) fix the first and last frame; `source` (F,H,W,3) with
    `denoising_strength` < 1 starts from a noised copy of it; `mask` (H,W) or (F,H,W) uint8, 255 = repaint, 0 = keep
    `source`. `control` (F,H,W,3) is the control clip or picture, preprocessed as the model wants it, and `control_mask`
    (F,H,W) uint8 belongs to it: 255 = make anew, 0 = keep `control`. `injected` fixes pictures (H,W,3) at frame
    numbers of this window (from 0, prefix included). All these have the size width x height (pixels); `references`
    (H,W,3) have each their own. `audio` float32 (samples, channels) drives or accompanies this window from its first
    frame. `control2` (F,h,w,3) is a further control clip in its own size. `num_frames` counts the frames of the
    result, prefix included; 1 in image mode; they pass at `fps` frames a second. A model that makes sound alone is
    asked for 1 frame of size 0. `guides` (H,W,3) are picture prompts in their own sizes, in the order of `guide_kinds`.
    `settings` holds the whole settings dict for whatever is particular to a family.
    """

    prompt: str
    width: int
    height: int
    num_frames: int
    num_inference_steps: int
    guidance_scale: float
    seed: int
    negative_prompt: str = ""
    batch_size: int = 1
    flow_shift: float | None = None
    sample_solver: str = ""
    image_start: Any = None
    image_end: Any = None
    prefix: Any = None
    source: Any = None
    mask: Any = None
    denoising_strength: float = 1.0
    overlap_noise: float = 0.0
    image_mode: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    references: Sequence[Any] = ()
    control: Any = None
    control_mask: Any = None
    injected: Mapping[int, Any] = field(default_factory=dict)
    audio: Any = None
    audio_sampling_rate: int | None = None
    control2: Any = None
    fps: float | None = None
    guides: Sequence[Any] = ()
    lora_files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WindowResult:
    """`frames`: one uint8 array (F,H,W,3) a sample of the batch; () from a model that makes sound only.

    `audio`: float32 (samples, channels) that goes with the first sample, or a sequence of one a sample; None: silent.
    `layers`: uint8 (H,W,4) pictures with alpha that the first sample consists of, the lowest first; saved beside it.
    """

    frames: Sequence[Any]
    audio: Any = None
    audio_sampling_rate: int | None = None
    layers: Sequence[Any] = ()


@dataclass(frozen=True)
class Step:
    """What a Pipeline tells while it works.

    `phase` is the label shown ("Encoding prompt", "Denoising", "VAE decoding"); `index` counts finished steps from
    0 and `total` is their number (None: unknown). `latents` (C,T,H,W) torch tensor of the first sample, when a
    preview can be made from it. `notice` is a line that the user should see; `facts` are counts that are kept with
    the result (`skipped_steps`), summed over its windows. With these two `phase` may be empty: nothing has moved.
    """

    phase: str
    index: int | None = None
    total: int | None = None
    latents: Any = None
    notice: str = ""
    facts: Mapping[str, int] = field(default_factory=dict)


class Pipeline(Protocol):
    """A loaded model."""

    def components(self) -> dict[str, Any]:
        """The torch modules by name (`transformer`, `vae`, `text_encoder`, ...)."""

    def __call__(
        self, window: WindowRequest, on_step: Callable[[Step], None], is_cancelled: Callable[[], bool]
    ) -> WindowResult:
        """Make one window. Raises core.errors.Cancelled within one step of `is_cancelled()` turning true."""

    def preview(self, latents: Any) -> Any:
        """Latents (C,T,H,W) as a PIL RGB image: the frames side by side, small."""


class FamilyHandler(Protocol):
    """What a folder under models/ offers as `handler`; importing it loads no torch."""

    name: str
    label: str
    order: int
    architectures: frozenset[str]

    def settings(self, model: ModelDef) -> Sequence[Param]:
        """The settings of this model that a user can change, its own ones included, with the model's defaults."""

    def definition(self, architecture: str, block: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Definition keys implied by the architecture (fps, frame rule, image types ...); the JSON's own win.

        `block` is the "model" block of that JSON, for a family that runs what the JSON itself describes. Raises
        ModelNotFound where it describes nothing that can be run.
        """

    def files(self, model: ModelDef, options: LoadOptions | None = None) -> Sequence[ModelFile]:
        """The files that the model needs on disk; the options choose among variants."""

    def problems(self, settings: Mapping[str, Any], model: ModelDef) -> Sequence[str]:
        """What only this family can find wrong with a settings dict, as sentences for the user."""

    def load(self, model: ModelDef, roots: Sequence[str], options: LoadOptions) -> Pipeline:
        """Load the model from the checkpoint roots. Raises DownloadError for what is missing."""


@dataclass(frozen=True)
class ModelFile:
    """A file or folder of a model, and where it can be had.

    `path` is relative to a checkpoint root (or absolute). It comes from the Hugging Face repository `repo` at
    `revision`, where it is called `name` ("": the path without its first folder; "." the whole), or from `url`.
    `role` says what it is to the pipeline: "pipeline" is a diffusers folder, "transformer", "transformer_2",
    "text_encoder", "vae" one file that stands for the weights of that part, "checkpoint" for those of all parts;
    "module", "lora", "preload" are others. `without` names the parts of a folder whose weights another file replaces
    ("*": all; "part:x": nothing of x is needed there), `variant` its files of one dtype ("fp16").
    """

    path: str
    repo: str = ""
    size_bytes: int | None = None
    revision: str = ""
    name: str = ""
    url: str = ""
    sha256: str = ""
    role: str = ""
    without: tuple[str, ...] = ()
    variant: str = ""


@dataclass(frozen=True)
class LoadOptions:
    """How to load a model; "" and -1 leave the choice to the model and the machine.

    `device` is a torch device ("cpu", "cuda:0"), `dtype` and `vae_dtype` are names ("bfloat16", "fp16"), `profile` is
    a memory profile (1 to 5), `attention` the attention code, `quantization` the kind of the transformer's weights,
    `text_encoder_quantization` that of the text encoder's. `preload_mb` of each denoiser stay on the card when weights
    are streamed, `reserved_share` of main memory may be pinned (0: as much as helps), `vram_share` of the card is for
    weights. `vae_tiling`: 0 by need, 1 never, 2 and 3 in tiles of 256 and 128 pixels. `leaner` is the second attempt
    after memory ran out: least on the card, smallest tiles. `compile` "transformer" compiles the denoiser's blocks.
    `joint_passes` asks the denoiser for both sides of guidance at once, where it can. With `leaves_out_loras` a LoRA
    that does not fit is left out and told, instead of refused.
    """

    device: str = "cpu"
    dtype: str = ""
    profile: float = -1
    attention: str = ""
    quantization: str = ""
    vae_dtype: str = ""
    text_encoder_quantization: str = ""
    preload_mb: float = 0
    reserved_share: float = 0
    vram_share: float = 0.8
    vae_tiling: int = 0
    leaner: bool = False
    compile: str = ""
    joint_passes: bool = False
    leaves_out_loras: bool = False


class Control:
    """What the user asks of a running task; thread-safe. Listeners hear each change once, in the caller's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Callable[[str, Any], None]] = []
        self._values: dict[str, Any] = {}

    def set(self, name: str, value: Any = True) -> None:
        """Ask for `abort`, `pause`, `early_stop` (bool), `extra_orders`, `extra_windows` or `skips` (how many)."""
        with self._lock:
            self._values[name] = value
            listeners = list(self._listeners)
        for listener in listeners:
            listener(name, value)

    def increase(self, name: str) -> None:
        """Ask for one more (`extra_orders`, `extra_windows`)."""
        with self._lock:
            value = self._values[name] = int(self._values.get(name, 0)) + 1
            listeners = list(self._listeners)
        for listener in listeners:
            listener(name, value)

    def get(self, name: str, default: Any = False) -> Any:
        """The last value asked for."""
        return self._values.get(name, default)

    def listen(self, listener: Callable[[str, Any], None]) -> None:
        """Hear every later change, and at once those already made."""
        with self._lock:
            self._listeners.append(listener)
            past = list(self._values.items())
        for name, value in past:
            listener(name, value)


class Executor(Protocol):
    """Where a task runs: this process, one worker process a device, one Ray actor a device."""

    device: str
    is_isolated: bool
    """The task runs in a process of its own: an end of the program is not its doing."""

    def start(self) -> None:
        """Prepare in the background what the first task would otherwise wait for."""

    def run(self, task: Task, emit: Callable[[Event], None], control: Control) -> Finished:
        """Run one task to its end; whatever goes wrong that a user can answer is in the Finished.

        Raises WorkerDied when the task's process ended, and whatever a bug in the task raises.
        """

    def release(self) -> None:
        """Unload the model and give its memory back; while a task runs, after it. From any thread."""

    def close(self) -> None:
        """End the process or actor. From any thread."""
