"""The Python API's published examples as text; test_api_examples.py runs them with models, files and sizes put in."""

QUICK_START = """
from pathlib import Path
from shared.api import init

session = init(
    root=Path(ROOT),
    cli_args=["--attention", "sdpa", "--profile", "4"],
)

settings = {
    "model_type": MODEL,
    "prompt": "Cinematic shot of a neon train entering a rainy station",
    "resolution": RESOLUTION,
    "num_inference_steps": STEPS,
    "video_length": LENGTH,
    "duration_seconds": 4,
    "force_fps": 24,
}

job = session.submit_task(settings)

for event in job.events.iter(timeout=0.2):
    if event.kind == "progress":
        progress = event.data
        print(progress.phase, progress.progress, progress.current_step, progress.total_steps)
    elif event.kind == "preview":
        preview = event.data
        if preview.image is not None:
            preview.image.save("preview.png")
    elif event.kind == "stream":
        line = event.data
        print(f"[{line.stream}] {line.text}")

result = job.result()
if result.success:
    print(result.generated_files)
else:
    for error in result.errors:
        print(error.message)
"""

EVERY_ARGUMENT = """
session = init(
    root=Path(ROOT),
    config_path=Path(ROOT) / "wgp_config.json",
    output_dir=Path("outputs_override"),
    callbacks=Callbacks(),
    cli_args=["--attention", "sdpa", "--profile", "4"],
    console_output=True,
    console_isatty=True,
    webui_state=None,
)
"""

MEDIA_IN_MEMORY = """
job = session.submit_task(
    {
        "model_type": MODEL,
        "prompt": "generate a video",
        "resolution": RESOLUTION,
        "num_inference_steps": STEPS,
        "video_length": LENGTH,
        "_api": {"return_media": True},
    }
)
result = job.result()
artifact = result.artifacts[0]
video_tensor = artifact.video_tensor_uint8
audio_tensor = artifact.audio_tensor
audio_sr = artifact.audio_sampling_rate
saved_path = artifact.path
"""

FRAME_RANGE = """
job = session.submit_task(
    {
        "model_type": MODEL,
        "prompt": "generate a video",
        "video_prompt_type": "VG",
        "video_guide": f"{CLIP}|start_frame=1,end_frame=3",
        "resolution": RESOLUTION,
        "num_inference_steps": STEPS,
        "video_length": LENGTH,
    }
)
"""

SINGLE_TASK = """
settings = {
    "model_type": MODEL,
    "prompt": "A red bicycle parked in front of a bakery",
    "resolution": RESOLUTION,
    "num_inference_steps": STEPS,
    "image_mode": 1,
}

job = session.submit_task(settings)
"""

MANIFEST = """
settings_list = [
    {
        "model_type": MODEL,
        "prompt": "A quiet library at sunrise",
        "resolution": RESOLUTION,
        "num_inference_steps": STEPS,
        "image_mode": 1,
    },
    {
        "model_type": MODEL,
        "prompt": "A rainy alley with neon signs",
        "resolution": RESOLUTION,
        "num_inference_steps": STEPS,
        "image_mode": 1,
    },
]

job = session.submit_manifest(settings_list)
"""

SAVED_QUEUE = """
job = session.submit(Path(QUEUE))
"""

CALLBACKS = """
class Callbacks:
    def on_progress(self, progress):
        print("progress:", progress.progress, progress.phase)

    def on_preview(self, preview):
        if preview.image is not None:
            preview.image.save("latest_preview.png")

    def on_stream(self, line):
        print(f"[{line.stream}] {line.text}")

    def on_complete(self, result):
        print("success:", result.success)
        print("generated:", result.generated_files)

    def on_error(self, error):
        print("error:", error.message)
"""

VERBOSE_CALLBACKS = """
from shared.api import GenerationError, GenerationResult, PreviewUpdate, ProgressUpdate, SessionEvent, StreamMessage


class VerboseCallbacks:
    def on_progress(self, progress: ProgressUpdate) -> None:
        print("progress", progress.progress, progress.current_step, progress.total_steps)

    def on_preview(self, preview: PreviewUpdate) -> None:
        print("preview", preview.phase, preview.image.size if preview.image is not None else None)

    def on_stream(self, line: StreamMessage) -> None:
        print(line.stream, line.text)

    def on_status(self, text: str) -> None:
        print("status", text)

    def on_info(self, text: str) -> None:
        print("info", text)

    def on_output(self, data: object) -> None:
        print("output", data)

    def on_complete(self, result: GenerationResult) -> None:
        print("success", result.success)
        print("files", result.generated_files)

    def on_error(self, error: GenerationError) -> None:
        print("error", error.stage, error.task_index, error.message)

    def on_event(self, event: SessionEvent) -> None:
        print("event", event.kind)
"""

CANCELLATION = """
job = session.submit_task(settings)
job.cancel()
"""

VALUES = """
from shared.api import GenerationError, GenerationResult, PreviewUpdate, ProgressUpdate, SessionEvent, StreamMessage

SessionEvent(kind="progress", data=ProgressUpdate(
    phase="inference", status="Prompt 1/1 | Denoising | 7.2s", progress=54, current_step=4, total_steps=8,
    raw_phase="Denoising", unit=None,
), timestamp=1710000000.0)
GenerationResult(
    success=False,
    generated_files=["clip_001.mp4"],
    errors=[GenerationError(message="Task 2 failed validation", task_index=2, task_id=2, stage="validation")],
    total_tasks=3, successful_tasks=2, failed_tasks=1,
)
PreviewUpdate(image=None, phase="inference", status="Denoising", progress=54, current_step=4, total_steps=8)
StreamMessage(stream="stdout", text="New video saved to Path: clip_001.mp4")
"""
