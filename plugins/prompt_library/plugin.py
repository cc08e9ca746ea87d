"""The tab "Prompts": saved prompts and word lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from plugins.prompt_library.library import PromptLibrary, SavedPrompt, list_path, save_list
from shared.core.wildcards import Wildcards, fill_wildcards, unknown_wildcards
from shared.ui.plugins.telling import told
from shared.utils.plugins import WAN2GPPlugin

LISTS_FOLDER = Path(__file__).resolve().parents[2] / "wildcards"
TRIES = 5


class PromptLibraryPlugin(WAN2GPPlugin):
    """Saved prompts that go into the form at a click, and the word lists for `__name__`."""

    def setup_ui(self) -> None:
        self.add_tab("prompt_library", "Prompts", self.create_config_ui)
        for component in ("prompt", "negative_prompt", "main_tabs"):
            self.request_component(component)
        self.request_global("server_config_filename")

    def create_config_ui(self) -> None:
        folder = Path(self.server_config_filename).parent
        self.library = PromptLibrary(folder / "prompt_library.json")
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                self._build_library()
            with gr.Column(scale=2, min_width=300):
                self._build_lists()

    # --- saved prompts

    def _build_library(self) -> None:
        gr.Markdown("### Saved prompts")
        if self.library.notice:
            gr.Markdown(self.library.notice)
        with gr.Row():
            query = gr.Textbox(label="Search", placeholder="Words in the name, the prompt or the tags", scale=3)
            tags = gr.Dropdown(self.library.tags(), label="Tags", multiselect=True, scale=2)
        chosen = gr.Radio(self._names(), label="Prompts", elem_id="prompt_library_chosen")
        name = gr.Textbox(label="Name", elem_id="prompt_library_name")
        text = gr.Textbox(label="Prompt text", lines=5, elem_id="prompt_library_text")
        negative = gr.Textbox(label="Negative prompt text", lines=2)
        own_tags = gr.Textbox(label="Tags of this prompt", placeholder="sea, calm")
        with gr.Row():
            use = gr.Button("Put into the form", variant="primary")
            take = gr.Button("Take from the form")
            save = gr.Button("Save")
            remove = gr.Button("Delete", variant="stop")
        fields = [name, text, negative, own_tags]
        gr.on([query.change, tags.change], self._found, [query, tags], [chosen], show_progress="hidden")
        chosen.input(told(self._show), [chosen], fields, show_progress="hidden")
        save.click(told(self._save), [chosen, *fields], [chosen, tags])
        remove.click(told(self._remove), [chosen], [chosen, tags, *fields])
        take.click(lambda *values: values, [self.prompt, self.negative_prompt], [text, negative])
        use.click(self._use, [text, negative], [self.prompt, self.negative_prompt, self.main_tabs])

    def _names(self, query: str = "", tags: list[str] | None = None) -> list[str]:
        return [prompt.name for prompt in self.library.search(query, tags or ())]

    def _found(self, query: str, tags: list[str]) -> Any:
        return gr.update(choices=self._names(query, tags), value=None)

    def _show(self, name: str) -> tuple[str, str, str, str]:
        prompt = self.library.get(name)
        return prompt.name, prompt.text, prompt.negative, ", ".join(prompt.tags)

    def _save(self, chosen: str | None, name: str, text: str, negative: str, tags: str) -> tuple[Any, Any]:
        self.library.save(SavedPrompt(name, text, negative, tuple(tags.split(","))), replaces=chosen or "")
        gr.Info(f"{name.strip()} was saved.")
        return gr.update(choices=self._names(), value=name.strip()), gr.update(choices=self.library.tags())

    def _remove(self, chosen: str | None) -> tuple[Any, ...]:
        self.library.remove(chosen or "")
        return gr.update(choices=self._names(), value=None), gr.update(choices=self.library.tags()), "", "", "", ""

    def _use(self, text: str, negative: str) -> tuple[Any, Any, Any]:
        return text, negative or gr.skip(), self.goto_media_tab()

    # --- word lists

    def _build_lists(self) -> None:
        gr.Markdown("### Word lists\n`__name__` in a prompt becomes one line of the list of that name.")
        name = gr.Dropdown(sorted(self._lists()), label="List", allow_custom_value=True, value=None,
                           elem_id="prompt_library_list")  # fmt: skip
        entries = gr.Textbox(label="Entries, one a line", lines=10, elem_id="prompt_library_entries")
        save = gr.Button("Save the list")
        probe = gr.Textbox(label="Try it", placeholder="a __colour__ __animal__ at dawn", elem_id="prompt_library_try")
        shown = gr.Textbox(label="What comes of it", lines=TRIES, interactive=False)
        name.input(told(self._read_list), [name], [entries], show_progress="hidden")
        save.click(told(self._save_list), [name, entries], [name])
        probe.change(self._try, [probe], [shown], show_progress="hidden")

    def _lists(self) -> Wildcards:
        return Wildcards(LISTS_FOLDER)

    def _read_list(self, name: str | None) -> str:
        path = list_path(LISTS_FOLDER, name or "")
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def _save_list(self, name: str | None, entries: str) -> Any:
        count = save_list(LISTS_FOLDER, name or "", entries)
        gr.Info(f"{name}: {count} entries were saved.")
        return gr.update(choices=sorted(self._lists()))

    def _try(self, text: str) -> str:
        lists = self._lists()
        unknown = unknown_wildcards(text, lists)
        if unknown:
            return f"There is no list named {', '.join(unknown)}."
        return "\n".join(fill_wildcards(text, lists, seed) for seed in range(TRIES)) if text else ""
