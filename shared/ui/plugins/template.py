"""The files of a new plugin; @ID@, @NAME@ and @CLASS@ are filled in."""

from __future__ import annotations

from collections.abc import Mapping

_PLUGIN = '''"""The tab "@NAME@": a prompt becomes a clip."""

import gradio as gr

from shared.utils.plugins import WAN2GPPlugin


class @CLASS@(WAN2GPPlugin):
    def setup_ui(self):
        """Say what the plugin needs; the page does not exist yet."""
        self.request_component("state")
        self.request_global("get_current_model_settings")
        self.add_tab("@ID@", "@NAME@", self.create_config_ui)

    def create_config_ui(self, api_session):
        """Build the tab. The session puts tasks into the page's queue."""
        jobs = {}

        def start(state, prompt, progress=gr.Progress()):
            class Callbacks:
                ratio = 0.0

                def on_status(self, text):
                    progress(self.ratio, desc=text)

                def on_progress(self, update):
                    self.ratio = update.progress / 100
                    progress(self.ratio, desc=update.status)

            settings = {**self.get_current_model_settings(state), "prompt": prompt}
            jobs["last"] = job = api_session.submit_task(settings, callbacks=Callbacks())
            result = job.result()
            if not result.success:
                raise gr.Error(str(result.errors[0]))
            return result.generated_files[0]

        def cancel():
            if "last" in jobs and not jobs["last"].done:
                jobs["last"].cancel()

        prompt = gr.Textbox("a big red ball moving right in front of a blue sky", label="Prompt", lines=3)
        with gr.Row():
            generate = gr.Button("Generate", variant="primary", elem_id="@ID@_generate")
            stop = gr.Button("Cancel", elem_id="@ID@_cancel")
        result = gr.File(label="Result", elem_id="@ID@_result")
        generate.click(start, [self.state, prompt], [result])
        stop.click(cancel)
'''

_INFO = """{
    "name": "@NAME@",
    "version": "1.0.0",
    "description": "Makes a clip of a prompt with the settings of the form.",
    "author": "",
    "date": "",
    "type": ["app"],
    "wan2gp_version": ""
}
"""

_TEST = '''"""Run it from the program's folder: python -m pytest path/to/@ID@"""

from pathlib import Path

import shared.api
from shared.ui.plugins.authoring import check_plugin

ROOT = Path(shared.api.__file__).resolve().parents[1]


def test_the_plugin_loads_and_gets_what_it_asks_for():
    report = check_plugin(ROOT, Path(__file__).parent)
    assert report.is_sound, "\\n".join(report.lines())
    assert report.tabs == ["@NAME@"]
'''

FILES: Mapping[str, str] = {
    "__init__.py": "", "plugin.py": _PLUGIN, "plugin_info.json": _INFO, "test_@ID@.py": _TEST,
}  # fmt: skip
