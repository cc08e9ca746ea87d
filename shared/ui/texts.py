"""Every text of the page in one place, by language; labels and help of settings come from their declarations."""

from __future__ import annotations

from collections.abc import Mapping

ENGLISH: Mapping[str, str] = {
    "title": "WanGP",
    # the form
    "model": "Model",
    "family": "Family",
    "prompt_placeholder": "Describe what the picture or clip shows. One line is one clip.",
    "generate": "Generate",
    "add_to_queue": "Add to queue",
    "available": "ready to use",
    "partial": "some files are still to be downloaded",
    "partial_size": "{size} are still to be downloaded",
    "missing": "downloaded at first use",
    "missing_size": "not on disk: {size} are downloaded at first use",
    "no_models": "No model definition was found. Put a JSON file into the folder defaults/ and start again.",
    "export_settings": "Export settings",
    "import_settings": "Import settings",
    "save_default": "Save as default",
    "reset": "Reset",
    "lora_preset": "Preset",
    "lora_preset_info": "Lays an accelerator profile or a preset of yours over the form: its LoRAs, their strengths, "
    "and the settings that go with them.",
    "preset_accelerator": "accelerator",
    "preset_preset": "LoRA preset",
    "preset_settings": "settings",
    "preset_applied": "{name} is in the form.",
    "saved_default": "These settings are now the default of {model}.",
    "was_reset": "Back to the settings of {model}.",
    "imported": "Settings of {name} are in the form.",
    "imported_queue": "{count} tasks from {name} are in the queue.",
    "imported_unknown": "{count} settings are not known here and were kept aside: {names}.",
    "not_applicable": "{model} does not use: {names}.",
    "model_kept": "{name} was made with {wanted}, which is not here. The settings were given to {model}.",
    "nothing_to_import": "{name} holds no settings. Choose a settings .json, a queue .zip, or a file made here.",
    "added": "Task {id} is in the queue.",
    "file_gone": "{name} is no longer on disk.",
    "deleted": "{name} was deleted.",
    "task_gone": "Task {id} is no longer in the queue.",
    "used_as": "{name} is now the {setting}.",
    "not_taken": "{model} takes no {setting}.",
    "unexpected": "Something went wrong inside the program; the console has the details. Nothing in the form was lost.",
    "port_taken": "Port {port} of {host} is already in use. Another WanGP may be running there: open {url}, "
    "or choose another port with --server-port.",
    "address_unusable": "{host}:{port} cannot be listened on: {reason}. Choose another --server-name or --server-port.",
    "serving": "WanGP is ready at {url}",
    "bad_auth": "--auth: {value} is not accepted. Use USER:PASSWORD.",
}

PANELS: Mapping[str, str] = {
    "tip_generate": "Start now, or join the queue while another task runs (Ctrl+Enter)",
    "tip_add": "Put this behind the waiting tasks; a paused queue stays paused",
    "tip_import": "A settings file, a queue file, or a picture or clip made here; or drop it anywhere on the page",
    "tip_export": "Save the form as a settings file",
    "tip_default": "Start with these settings whenever this model is chosen anew",
    "tip_reset": "Back to the model's own settings",
    "random_seed": "A new seed each time",
    "check": "Please change this first",
    "stage": "Result",
    "empty_stage": "Your clip appears here",
    "empty_hint": "Write a prompt and press Generate.",
    "hint_keys": "Ctrl + Enter in the prompt starts a task; more tasks wait in the queue.",
    "hint_drop": "A file made here, dropped anywhere on this page, gives its settings back.",
    "hint_start": "A start image, an end image or a clip to continue goes into the fields below the prompt.",
    "idle": "Ready",
    "paused": "Paused",
    "starting": "Starting",
    "connecting": "Connecting",
    "lost": "Connection lost. Trying again ...",
    "step": "step {step} of {total}",
    "left": "about {time} left",
    "elapsed": "{time} so far",
    "abort": "Abort",
    "abort_hint": "End the running task",
    "abort_all": "Abort all",
    "abort_all_confirm": "End the running task and remove all waiting ones?",
    "pause": "Pause",
    "pause_hint": "Hold the running task at its next step and start no other",
    "resume": "Resume",
    "resume_hint": "Go on with the running task and the waiting ones",
    "queue": "Queue",
    "queue_empty": "Nothing is waiting.",
    "queue_more": "and {count} more",
    "up": "Move up",
    "down": "Move down",
    "remove": "Remove",
    "retry": "Try again",
    "running": "running",
    "waiting": "waiting",
    "failed": "failed",
    "frames": "{count} frames",
    "steps": "{count} steps",
    "gallery": "Gallery",
    "gallery_empty": "Results are kept here.",
    "show_more": "Show more",
    "use_settings": "Use these settings",
    "use_as_start": "Use as start image",
    "use_last_frame": "Use last frame as start image",
    "download": "Download",
    "settings_file": "Settings file",
    "delete": "Delete",
    "delete_confirm": "Delete {name} from the disk?",
    "all_settings": "All settings",
    "live": "Live view",
    "back_to_live": "Back to the live view",
    "drop_here": "Drop to restore its settings",
    "seconds": "{seconds} s at {fps} frames a second",
    "theme": "Light or dark",
    "task_failed": "Task {id} failed",
    "no_prompt": "(no prompt)",
    "close": "Close",
    "changed": "{count} changed",
    "save_queue": "Save",
    "save_queue_hint": "Save the waiting tasks as a queue file",
    "load_queue": "Load",
    "load_queue_hint": "Add the tasks of a queue file",
}

LANGUAGES: Mapping[str, Mapping[str, Mapping[str, str]]] = {"en": {"page": ENGLISH, "panels": PANELS}}


def say(name: str, /, language: str = "en", **values: object) -> str:
    """The text called `name`, with its {places} filled; English where a language lacks it."""
    table = LANGUAGES.get(language, LANGUAGES["en"])["page"]
    return table.get(name, ENGLISH[name]).format(**values)


def panel_texts(language: str = "en") -> dict[str, str]:
    """The texts of the panels that the browser draws."""
    return {**PANELS, **LANGUAGES.get(language, LANGUAGES["en"])["panels"]}
