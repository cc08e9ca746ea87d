"""The page with plugins: what they asked for is there, what fails stays inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from shared.core.state import AppState, headless_state
from shared.ui.app import Page
from shared.ui.server import web_app
from tests.fakes.page_runtime import PageRuntime

MakePlugin = Callable[..., Path]
Build = Callable[[], Page]

GOOD = """
    class {name}(WAN2GPPlugin):
        def setup_ui(self):
            self.add_tab("{id}", "{label}", self.create_config_ui)

        def create_config_ui(self):
            self.button = gr.Button("Do", elem_id="{id}_button")
            self.text = gr.Textbox(elem_id="{id}_text")
            self.button.click(lambda: "done", None, self.text)
"""

# One of each kind of failing plugin; what each is expected to be noted with.
FAILING = {
    "not_python": ("class Broken(WAN2GPPlugin:\n", "import", "SyntaxError"),
    "missing_module": ("import no_such_module_at_all\n", "import", "ModuleNotFoundError"),
    "leaves": ("import sys\nsys.exit('no')\n", "import", "SystemExit"),
    "no_class": ("x = 1\n", "import", "holds no class"),
    "bad_setup": (
        "class P(WAN2GPPlugin):\n    def setup_ui(self):\n        raise KeyError('setup')\n", "setup_ui", "KeyError",
    ),
    "bad_post": (
        "class P(WAN2GPPlugin):\n    def setup_ui(self):\n        self.add_tab('bad_post', 'Bad post', self.tab)\n"
        "    def tab(self):\n        gr.Button('never')\n"
        "    def post_ui_setup(self, components):\n        self.nothing\n",
        "post_ui_setup", "AttributeError",
    ),
    "bad_insert": (
        "class P(WAN2GPPlugin):\n    def setup_ui(self):\n        self.insert_after('seed', self.more)\n"
        "    def more(self):\n        gr.Row().__enter__()\n        1 / 0\n",
        "insert_after", "ZeroDivisionError",
    ),
    "open_row": (
        "class P(WAN2GPPlugin):\n    def setup_ui(self):\n        self.add_tab('open_row', 'Open row', self.tab)\n"
        "    def tab(self):\n        gr.Row().__enter__()\n        gr.Button('inside')\n",
        "tab open_row", "opened and not closed",
    ),
    "bad_tab": (
        "class P(WAN2GPPlugin):\n    def setup_ui(self):\n        self.add_tab('bad_tab', 'Bad tab', self.tab)\n"
        "    def tab(self):\n        with gr.Blocks():\n            with gr.Row():\n                gr.Button('half')\n"
        "                raise ValueError('half way')\n",
        "tab bad_tab", "ValueError: half way",
    ),
    "no_json": (
        "class Odd:\n    def __str__(self):\n        raise TypeError('odd')\n"
        "class P(WAN2GPPlugin):\n    def setup_ui(self):\n        self.add_tab('no_json', 'No JSON', self.tab)\n"
        "    def tab(self):\n        gr.Textbox(label=Odd())\n",
        "tab no_json", "cannot be shown",
    ),
}  # fmt: skip


def good(name: str) -> str:
    return GOOD.format(name=name.title(), id=name, label=name.title())


def elem_ids(page: Page) -> list[str]:
    return [block.elem_id for block in page.blocks.blocks.values() if getattr(block, "elem_id", None)]


def faults(runtime: PageRuntime, name: str) -> list[tuple[str, str]]:
    return [(fault.stage, fault.message) for fault in runtime.plugins.record(name).faults]


def labels(page: Page) -> list[str]:
    assert page.context.tabs is not None
    return [tab.label for tab in page.context.tabs.children if isinstance(tab, gr.Tab)]


def test_a_plugin_gets_its_tab(plugin: MakePlugin, build: Build, runtime: PageRuntime) -> None:
    plugin("one", good("one"))
    page = build()
    assert "One" in labels(page)
    assert {"one_button", "one_text"} <= set(elem_ids(page))
    record = runtime.plugins.record("one")
    assert record.is_loaded and record.faults == []
    assert {"import", "setup_ui", "post_ui_setup", "tab one"} <= set(record.seconds)


def test_one_of_each_failing_kind_leaves_the_others_alone(
    plugin: MakePlugin, build: Build, runtime: PageRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    plugin("first", good("first"))
    for name, (source, _, _) in FAILING.items():
        plugin(name, source)
    plugin("last", good("last"))
    page = build()
    for name, (_, stage, text) in FAILING.items():
        (found,) = faults(runtime, name)
        assert found[0] == stage and text in found[1], name
        assert runtime.plugins.record(name).faults[0].traceback
        assert sum(f"Plugin {name}:" in line for line in caplog.messages) == 1
    assert runtime.plugins.record("first").is_loaded and runtime.plugins.record("last").is_loaded
    assert {"First", "Last", "Bad tab"} <= set(labels(page))
    with TestClient(web_app(page, runtime, None, ("localhost", 7860))) as client:
        answer = client.get("/")
        assert answer.status_code == 200
        config = client.get("/config").json()
    shown = {part["props"].get("elem_id") for part in config["components"]}
    assert {"prompt", "generate", "first_button", "last_text"} <= shown
    texts = str([part["props"].get("value") for part in config["components"]])
    assert "half" not in texts.replace("half way", "") and "never" not in texts


def test_a_callback_that_fails_is_noted_and_told(plugin: MakePlugin, build: Build, runtime: PageRuntime) -> None:
    plugin("calls", """
        class Calls(WAN2GPPlugin):
            def setup_ui(self):
                self.add_tab("calls", "Calls", self.tab)

            def tab(self):
                gr.Button("a", elem_id="plain").click(self.fails, None, None)
                gr.Button("b").click(self.streams, None, gr.Textbox())
                gr.Button("c").click(self.tells, None, None)

            def fails(self):
                raise KeyError("lost")

            def streams(self):
                yield "one"
                raise ValueError("after one")

            def tells(self):
                raise gr.Error("Choose a file first.")
    """)
    page = build()
    calls = {fn.name: fn.fn for fn in page.blocks.fns.values() if fn.name in ("fails", "streams", "tells")}
    with pytest.raises(gr.Error, match="Calls: KeyError: 'lost'"):
        calls["fails"]()
    with pytest.raises(gr.Error, match="after one"):
        list(calls["streams"]())
    with pytest.raises(gr.Error, match="Choose a file"):
        calls["tells"]()
    assert faults(runtime, "calls") == [
        ("callback fails", "KeyError: 'lost'"), ("callback streams", "ValueError: after one"),
    ]  # fmt: skip
    with pytest.raises(gr.Error):
        calls["fails"]()
    assert runtime.plugins.record("calls").faults[0].count == 2
    assert runtime.plugins.record("calls").calls["callbacks"] == 4


def test_what_is_asked_for_is_there(plugin: MakePlugin, build: Build, runtime: PageRuntime) -> None:
    plugin("asks", """
        class Asks(WAN2GPPlugin):
            order = []

            def setup_ui(self):
                self.request_component("state")
                self.request_component("prompt")
                self.request_component("loras_choices")
                self.request_component("get_gen_info")
                self.request_component("no_such_part")
                self.request_global("get_video_info")
                self.request_global("prompt")
                self.request_global("no_such_function")
                self.insert_after("seed", lambda: gr.Textbox(elem_id="asks_more"))
                self.add_tab("asks", "Asks", self.tab)

            def post_ui_setup(self, components):
                Asks.order.append(("post", sorted(components), hasattr(self, "no_such_part")))
                return {self.prompt: gr.update(lines=9, value="from the plugin")}

            def tab(self):
                Asks.order.append(("tab", self.prompt.lines, self.get_gen_info({"gen": {"a": 1}})))
    """)
    page = build()
    one = page.plugins.loaded[-1].plugin
    assert one.order == [
        ("post", ["loras_choices", "prompt", "state"], False),
        ("tab", 9, {"a": 1}),
    ]
    assert one.prompt is page.form.components["prompt"] and one.prompt.value == "from the plugin"
    assert one.loras_choices is page.form.components["activated_loras"]
    assert one.get_video_info.__name__ == "get_video_info"
    assert [stage for stage, _ in faults(runtime, "asks")] == ["request_component", "request_global"]
    assert "no_such_part" in faults(runtime, "asks")[0][1]
    seed = page.form.components["seed"]
    assert seed.parent.children[seed.parent.children.index(seed) + 1].elem_id == "asks_more"


def test_hidden_bridges_stay_in_the_page(plugin: MakePlugin, build: Build) -> None:
    plugin("bridge", """
        class Bridge(WAN2GPPlugin):
            def setup_ui(self):
                self.add_tab("bridge", "Bridge", self.tab)
                self.add_custom_js("window.bridge = 1;")

            def tab(self):
                with gr.Column(visible=False, elem_id="bridge_column"):
                    gr.Textbox(elem_id="bridge_text", visible=False)
    """)
    page = build()
    found = {block.elem_id: block for block in page.blocks.blocks.values() if getattr(block, "elem_id", None)}
    assert found["bridge_column"].visible == "hidden" and found["bridge_text"].visible == "hidden"
    assert page.plugins.scripts() == [{"plugin": "bridge", "code": "window.bridge = 1;", "tabs": ["bridge"]}]


def test_the_enabled_list_is_the_order_of_the_tabs(plugin: MakePlugin, build: Build, runtime: PageRuntime) -> None:
    for name in ("alpha", "beta", "gamma"):
        plugin(name, good(name))
    plugin("early", good("early").replace("self.create_config_ui)", "self.create_config_ui, position=1)"))
    plugin("off", good("off"), is_on=False)
    runtime.plugins.move("gamma", -2)
    page = build()
    own = [label for label in labels(page) if label in ("Alpha", "Beta", "Gamma", "Early", "Off")]
    assert own == ["Early", "Gamma", "Alpha", "Beta"]
    assert labels(page).index("Early") == 1


def test_the_model_and_the_tab_are_told(plugin: MakePlugin, build: Build, runtime: PageRuntime) -> None:
    plugin("follows", """
        class Follows(WAN2GPPlugin):
            told = []

            def setup_ui(self):
                self.add_tab("follows", "Follows", self.tab)

            def tab(self):
                self.text = gr.Textbox()
                self.on_tab_outputs = [self.text]

            def on_tab_select(self, state):
                Follows.told.append("select")
                return "shown"

            def on_tab_deselect(self, state):
                Follows.told.append("deselect")

            def on_model_change(self, state, model_type):
                Follows.told.append(model_type)
                if model_type == "starter":
                    raise RuntimeError("not this one")
    """)
    page = build()
    one, state = page.plugins.loaded[-1].plugin, headless_state()
    page.handlers.choose_model("t", state, "t2v_1.3B", "", *[None] * len(page.form.inputs))
    page.handlers.choose_model("t", state, "starter", "", *[None] * len(page.form.inputs))
    assert one.told == ["t2v_1.3B", "starter"]
    assert AppState(state).model_type == "starter"
    assert faults(runtime, "follows") == [("on_model_change", "RuntimeError: not this one")]
    tab = page.plugins.loaded[-1].tabs["follows"]
    own = [fn for fn in page.blocks.fns.values() if (tab._id, "select") in fn.targets]
    select = next(fn for fn in page.blocks.fns.values() if list(fn.outputs) == [one.text])
    assert select.fn(state) == "shown"
    left = next(fn for fn in own if fn.name == "left")
    for label in ("Follows", "Gallery"):
        left.fn(state, gr.SelectData(None, {"value": label, "index": 0, "selected": True}))
    assert one.told[2:] == ["select", "deselect"]


def test_a_value_of_the_program_is_set_where_that_is_meant(
    plugin: MakePlugin, build: Build, runtime: PageRuntime
) -> None:
    plugin("sets", """
        class Sets(WAN2GPPlugin):
            def setup_ui(self):
                self.answers = [self.set_global("save_path", "elsewhere"), self.set_global("get_model_def", print),
                                self.set_global("no_such_name", 1)]
    """)
    page = build()
    answers: list[Any] = page.plugins.loaded[-1].plugin.answers
    assert answers[0] is None and runtime.config.get("save_path") == "elsewhere"
    assert "cannot be replaced" in answers[1] and "no global" in answers[2]
