"""The tab "Plugins": what there is, what runs, what failed; and getting more."""

from __future__ import annotations

import html
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from shared.api import PluginInstaller, install_refusal
from shared.core.errors import WanGPError
from shared.core.plugin_info import PluginInfo
from shared.ui.plugins.telling import told
from shared.ui.plugins.texts import PluginTexts
from shared.utils.plugins import WAN2GPPlugin

texts = PluginTexts(Path(__file__).parent)
say = texts.say
START_STAGES = ("import", "setup_ui", "insert_after", "post_ui_setup", "tab")


class PluginManager(WAN2GPPlugin):
    """The list is drawn anew whenever `drawn` changes: when the tab is opened, and after each change."""

    def setup_ui(self) -> None:
        self.request_global("app")
        self.request_global("args")
        self.request_global("server_config")
        self.request_global("get_unique_id")
        self.add_tab("plugins", say("tab"), self.create_config_ui)

    def create_config_ui(self) -> None:
        self.store = self.app.store
        self.installer = PluginInstaller(self.store)
        self._started = {info.id for info in self.store.enabled()}
        self.drawn = gr.Textbox("", visible=False, elem_id="plugin_manager_drawn")
        self.on_tab_outputs = [self.drawn]
        gr.render(inputs=[self.drawn], triggers=[self.drawn.change], show_progress="hidden")(self._draw)
        with gr.Accordion(say("get"), open=True, elem_id="plugin_manager_get"):
            self._build_install()

    def on_tab_select(self, state: dict[str, Any]) -> str:
        """Draw the list as it is now."""
        return self.get_unique_id()

    # --- the list

    def _draw(self, _: str) -> None:
        if self.store.is_safe_mode:
            blamed = say("blamed", name=self.store.blamed) if self.store.blamed else ""
            gr.Markdown(say("safe_mode", blamed=blamed), elem_classes=["wg-plugin-failed"])
        with gr.Row(elem_classes=["wg-plugin-top"]):
            again = gr.Button(say("reload"), size="sm", scale=0, min_width=140, elem_id="plugin_manager_reload")
            again.click(told(self._reload), None, [self.drawn])
            if self.store.needs_restart:
                gr.Markdown(say("restart_needed"))
                restart = gr.Button(say("restart"), size="sm", variant="primary", scale=0, min_width=200,
                                    elem_id="plugin_manager_restart")  # fmt: skip
                restart.click(told(self.app.restart), None, None)
        wanted = [info.id for info in self.store.wanted()]
        others = sorted(set(self.store.infos) - set(wanted))
        for name in [*wanted, *others]:
            self._draw_plugin(self.store.infos[name], name in wanted)

    def _draw_plugin(self, info: PluginInfo, is_wanted: bool) -> None:
        record = self.store.record(info.id)
        with gr.Row(elem_id=f"plugin_row_{info.id}", elem_classes=["wg-plugin"]):
            gr.HTML(self._facts(info, is_wanted), elem_classes=["wg-plugin-facts"], min_width=260)
            with gr.Row(elem_classes=["wg-plugin-controls"]):
                switch = gr.Checkbox(is_wanted, label=say("on"), interactive=not info.is_system and not info.problem,
                                     container=False, min_width=60, elem_id=f"plugin_switch_{info.id}")  # fmt: skip
                switch.input(told(partial(self._switch, info.id)), [switch], [self.drawn])
                if is_wanted:
                    self._button("up", info, partial(self._move, info.id, -1))
                    self._button("down", info, partial(self._move, info.id, 1))
                if info.is_uninstallable and self._may_change():
                    if (info.folder / ".git").exists():
                        self._button("update", info, partial(self._update, info.id))
                    self._button("uninstall", info, partial(self._uninstall, info.id))
        if record.faults:
            with gr.Accordion(say("faults", count=len(record.faults)), open=False,
                              elem_id=f"plugin_faults_{info.id}"):  # fmt: skip
                gr.Code("\n\n".join(_fault_text(fault) for fault in record.faults), language=None, interactive=False)

    def _button(self, name: str, info: PluginInfo, action: Any) -> None:
        button = gr.Button(say(name), size="sm", min_width=70, scale=0, elem_id=f"plugin_{name}_{info.id}")
        button.click(told(action), None, [self.drawn])

    def _facts(self, info: PluginInfo, is_wanted: bool) -> str:
        """Name, state, description, and how long it took."""
        record = self.store.record(info.id)
        parts = [f"<strong>{html.escape(info.name)}</strong> {html.escape(info.version)}",
                 f"<em>{html.escape(self._state(info, is_wanted))}</em>",
                 html.escape(", ".join(info.types))]  # fmt: skip
        if info.author:
            parts.append(html.escape(say("by", author=info.author)))
        start = 1000 * sum(s for stage, s in record.seconds.items() if stage.split(" ")[0] in START_STAGES)
        if record.seconds:
            answers, calls = 1000 * record.seconds.get("callbacks", 0.0), record.calls.get("callbacks", 0)
            parts.append(say("time", start=round(start), answers=round(answers), calls=calls))
        told_of = html.escape(info.problem or info.description)
        return f"<p>{' · '.join(parts)}</p><p>{told_of}</p>"

    def _state(self, info: PluginInfo, is_wanted: bool) -> str:
        record = self.store.record(info.id)
        if info.problem:
            return say("unusable")
        has_failed = bool(record.faults) and not record.is_loaded and info.has_page_part
        is_on = info.id in self._started
        now = "failed" if has_failed else "system" if info.is_system else "loaded" if is_on else "not_loaded"
        if is_on == is_wanted:
            return say(now)
        return f"{say(now)}; {say('on' if is_wanted else 'off')} {say('next_start')}"

    def _reload(self) -> str:
        self.store.refresh()
        return self.get_unique_id()

    def _switch(self, plugin_id: str, is_on: bool) -> str:
        self.store.set_enabled(plugin_id, is_on)
        return self.get_unique_id()

    def _move(self, plugin_id: str, step: int) -> str:
        self.store.move(plugin_id, step)
        return self.get_unique_id()

    def _update(self, plugin_id: str) -> str:
        self._check_allowed()
        is_new = self.installer.update(plugin_id)
        gr.Info(say("updated" if is_new else "up_to_date", name=plugin_id))
        return self.get_unique_id()

    def _uninstall(self, plugin_id: str) -> str:
        self._check_allowed()
        self.installer.uninstall(plugin_id)
        gr.Info(say("uninstalled", name=plugin_id))
        return self.get_unique_id()

    # --- getting one

    def _build_install(self) -> None:
        refusal = install_refusal(self.args, self.server_config)
        if refusal:
            gr.Markdown(say("refused", reason=refusal), elem_id="plugin_manager_refused")
            return
        source = gr.Textbox(label=say("source"), info=say("source_info"), elem_id="plugin_manager_source")
        with gr.Row():
            upload = gr.UploadButton(say("upload"), file_types=[".zip"], size="sm", elem_id="plugin_manager_upload")
            look = gr.Button(say("look"), size="sm", elem_id="plugin_manager_look")
            install = gr.Button(say("install"), size="sm", variant="primary", interactive=False,
                                elem_id="plugin_manager_install")  # fmt: skip
        plan = gr.Markdown(elem_id="plugin_manager_plan")
        upload.upload(lambda path: path, [upload], [source])
        source.change(lambda: (gr.update(interactive=False), ""), None, [install, plan], show_progress="hidden")
        look.click(told(self._look), [source], [plan, install])
        install.click(told(self._install), [source], [self.drawn, plan, install])
        self._build_catalogue(source)

    def _build_catalogue(self, source: gr.Textbox) -> None:
        offered = self.installer.catalogue()
        if not offered:
            return
        with gr.Accordion(say("catalogue"), open=False, elem_id="plugin_manager_catalogue"):
            for entry in offered:
                with gr.Row(equal_height=True):
                    state = say(f"catalogue_state_{entry['state']}")
                    name, words = (html.escape(str(entry.get(key) or "")) for key in ("name", "description"))
                    gr.HTML(f"<p><strong>{name}</strong> <em>{state}</em></p><p>{words}</p>", padding=True)
                    take = gr.Button(say("take"), size="sm", scale=0, min_width=160)
                    take.click(partial(str, entry["url"]), None, [source])

    def _look(self, source: str) -> tuple[str, Any]:
        self._check_allowed()
        if not source.strip():
            raise WanGPError(say("no_source"))
        plan = self.installer.plan(source)
        packages = ", ".join(" ".join(package) for package in plan.packages)
        text = say(
            "plan",
            name=plan.info.name,
            version=plan.info.version,
            by=say("by", author=plan.info.author) if plan.info.author else "",
            description=plan.info.description,
            target=plan.target,
            replaces=say("plan_replaces", version=plan.replaces) if plan.replaces else "",
            packages=say("plan_packages", packages=packages) if packages else say("plan_no_packages"),
        )
        return text, gr.update(interactive=True)

    def _install(self, source: str) -> tuple[str, str, Any]:
        self._check_allowed()
        info = self.installer.install(source)
        gr.Info(say("installed", name=info.name))
        return self.get_unique_id(), "", gr.update(interactive=False)

    def _may_change(self) -> bool:
        return not install_refusal(self.args, self.server_config)

    def _check_allowed(self) -> None:
        refusal = install_refusal(self.args, self.server_config)
        if refusal:
            raise WanGPError(say("refused", reason=refusal))


def _fault_text(fault: Any) -> str:
    line = say("fault_line", stage=fault.stage, message=fault.message, count=fault.count)
    return f"{line}\n{fault.traceback}".rstrip()
