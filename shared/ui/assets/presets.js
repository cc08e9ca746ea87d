// Presets: accelerator profiles and what the user keeps, laid over the form by a choice.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;
  const KINDS = { accelerator: "presets_accelerator", preset: "presets_loras", settings: "presets_own" };
  let element = null, chosen = "";

  wangp.panel("presets", (place) => { element = place; draw(); });
  wangp.on("model", () => draw());

  function draw() {
    if (!element || !wangp.model) return;
    const presets = wangp.model.presets ?? [];
    if (!presets.some((preset) => preset.file === chosen)) chosen = "";
    const select = el("select", { id: "presets", "aria-label": say("presets"), onchange: () => use(select.value) },
      el("option", { value: "" }, say("presets_choose")),
      ...Object.keys(KINDS).map((kind) => group(kind, presets.filter((preset) => preset.kind === kind))).filter(Boolean));
    select.value = chosen;
    const current = presets.find((preset) => preset.file === chosen);
    select.title = current?.help ?? "";
    const trash = button("trash", say("presets_delete"), () => remove(current), { bare: true });
    trash.hidden = !current || current.kind === "accelerator";
    element.closest(".wg-panel").hidden = !presets.length;
    element.replaceChildren(el("div", { class: "wg-presets" }, select, trash));
  }

  function group(kind, presets) {
    if (!presets.length) return null;
    return el("optgroup", { label: say(KINDS[kind]) },
      ...presets.map((preset) => el("option", { value: preset.file, title: preset.help }, preset.name)));
  }

  function use(file) {
    chosen = file;
    draw();
    if (file) wangp.ask("presets", "use_preset", { name: file });
  }

  function remove(preset) {
    if (confirm(say("presets_delete_confirm", { name: preset.name }))) wangp.ask("presets", "delete_preset", { name: preset.file });
  }

  wangp.keepPreset = () => {
    const name = el("input", { type: "text", required: true, maxlength: "80", "aria-label": say("presets_name"), placeholder: say("presets_name") });
    const takesLoras = "activated_loras" in wangp.model.labels;
    const onlyLoras = el("input", { type: "checkbox" });
    const form = el("form", { method: "dialog", class: "wg-fields" }, name,
      takesLoras ? el("label", { class: "wg-check" }, onlyLoras, say("presets_loras_only")) : null,
      el("div", { class: "wg-dialog-foot" }, el("button", { type: "submit", class: "wg-button accent" }, say("presets_keep"))));
    const dialog = wangp.narrow(say("presets_keep"), form);
    form.addEventListener("submit", () => {
      wangp.ask("presets", "keep_preset", { name: name.value.trim(), loras_only: onlyLoras.checked });
    });
    name.focus();
  };
})();
