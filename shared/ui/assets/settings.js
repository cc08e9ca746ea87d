// The settings of the program, a section at a time; what is changed is written when it is saved, all at once.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;
  const SECTIONS = ["appearance", "outputs", "performance", "queue", "paths", "downloads", "network"];
  let element, told = null, changed = {}, foot = null, needsRestart = false;

  wangp.panel("settings", async (place) => {
    element = place;
    await load();
  });

  async function load() {
    told = await wangp.get("config").catch(() => null);
    changed = {};
    if (!told) return element.replaceChildren(el("p", { class: "wg-empty" }, say("lost")));
    draw();
  }

  function draw() {
    foot = el("div", { class: "wg-settings-foot", role: "status" });
    element.replaceChildren(el("div", { class: "wg-settings" },
      el("nav", { class: "wg-sections", "aria-label": say("settings_sections") }, ...["browser", ...SECTIONS].map((section) =>
        el("a", { href: "#settings", onclick: (event) => {
          event.preventDefault();
          document.getElementById("section_" + section).scrollIntoView({ behavior: "smooth", block: "start" });
        } }, say("section_" + section)))),
      el("div", { class: "wg-section-list" },
        told.locked ? el("p", { class: "wg-locked", role: "note" }, say("settings_locked")) : null,
        browserSection(), ...SECTIONS.map(section), foot)));
    drawFoot();
  }

  function section(id) {
    const settings = told.settings.filter((setting) => setting.section === id);
    return el("section", { class: "wg-section", id: "section_" + id }, el("h2", {}, say("section_" + id)),
      id === "performance" ? machine() : null, ...settings.map(row));
  }

  function machine() {
    const { card, card_bytes: onCard, memory_bytes: memory, cores } = told.machine;
    const text = onCard ? say("machine_card", { card: card || "CUDA", size: wangp.bytes(onCard), memory: wangp.bytes(memory) })
      : say("machine_cpu", { memory: wangp.bytes(memory), cores });
    return el("p", { class: "wg-machine" }, text, told.suggested_profile ? " " + say("machine_profile", { profile: told.suggested_profile }) : "");
  }

  function row(setting) {
    const field = control(setting);
    field.id = "config_" + setting.name;
    field.disabled = told.locked || setting.is_overridden;
    const notes = [setting.is_overridden ? say("settings_overridden") : null, setting.needs_restart ? say("settings_restart_mark") : null].filter(Boolean);
    return el("div", { class: "wg-option", "data-setting": setting.name },
      el("label", { for: field.id }, setting.label + (setting.unit ? ` (${setting.unit})` : "")), field,
      el("p", {}, setting.help, ...notes.map((note) => el("em", {}, note))),
      el("p", { class: "wg-wrong-text", role: "alert" }));
  }

  function control(setting) {
    const change = (value) => {
      const same = JSON.stringify(value) === JSON.stringify(setting.value) && !setting.is_secret;
      if (same) delete changed[setting.name];
      else changed[setting.name] = value;
      drawFoot();
    };
    if (setting.choices.length) {
      const known = setting.choices.some(([, value]) => value === setting.value);
      const choices = known ? setting.choices : [...setting.choices, [String(setting.value), setting.value]];
      const select = el("select", { onchange: () => change(choices[select.selectedIndex][1]) },
        ...choices.map(([label, value]) => el("option", { selected: value === setting.value }, label)));
      return select;
    }
    if (setting.type === "bool_int") {
      const box = el("input", { type: "checkbox", checked: Boolean(setting.value), onchange: () => change(box.checked ? 1 : 0) });
      return box;
    }
    if (setting.type === "int" || setting.type === "float") {
      const number = el("input", { type: "number", min: setting.minimum, max: setting.maximum, step: "any", value: setting.value, oninput: () => change(number.value === "" ? setting.minimum : Number(number.value)) });
      return number;
    }
    if (setting.type === "list") {
      const area = el("textarea", { rows: "3", oninput: () => change(area.value.split("\n").map((line) => line.trim()).filter(Boolean)) });
      area.value = (setting.value ?? []).join("\n");
      return area;
    }
    const text = el("input", {
      type: setting.is_secret ? "password" : "text", value: setting.value ?? "", autocomplete: "off", spellcheck: "false",
      placeholder: setting.is_secret && setting.is_set ? say("settings_secret_set") : "", oninput: () => change(text.value),
    });
    return text;
  }

  // What belongs to this browser alone is kept by it.
  function browserSection() {
    const language = el("select", { id: "browser_language", onchange: () => wangp.useLanguage(language.value) },
      ...Object.entries(wangp.languages).map(([id, name]) => el("option", { value: id, selected: id === wangp.language }, name)));
    const theme = el("select", { id: "browser_theme", onchange: () => wangp.theme(theme.value) },
      ...["light", "dark"].map((id) => el("option", { value: id, selected: id === wangp.theme() }, say("theme_" + id))));
    const option = (label, field, help) => el("div", { class: "wg-option" }, el("label", { for: field.id }, label), field, help ? el("p", {}, help) : null);
    return el("section", { class: "wg-section", id: "section_browser" }, el("h2", {}, say("section_browser")),
      option(say("language"), language), option(say("theme"), theme), ...wangp.notificationOptions().map(([label, field, help]) => option(label, field, help)));
  }

  function drawFoot() {
    const count = Object.keys(changed).length;
    foot.replaceChildren(...(count ? [
      el("span", {}, say("changed", { count })),
      button("retry", say("settings_undo"), () => draw((changed = {}))), button("save", say("settings_save"), save, { kind: "accent" }),
    ] : needsRestart ? [
      el("span", {}, say("settings_restart_needed")), button("retry", say("restart"), restart, { kind: "accent" }),
    ] : told.locked ? [] : [button("retry", say("restart"), restart, { hint: say("restart_hint") })]));
  }

  async function save() {
    const answer = await fetch(wangp.url("config"), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(changed) }).catch(() => null);
    const body = await answer?.json().catch(() => null);
    for (const place of element.querySelectorAll(".wg-option .wg-wrong-text")) place.textContent = "";
    if (!answer?.ok) {
      for (const [name, problem] of Object.entries(body?.problems ?? { "": body?.detail ?? say("lost") })) {
        const place = element.querySelector(`[data-setting="${name}"] .wg-wrong-text`);
        if (place) { place.textContent = problem; place.scrollIntoView({ block: "center" }); } else wangp.toast(problem, "error");
      }
      return;
    }
    needsRestart ||= body.restart.length > 0;
    const seen = ["language", "UI_theme", "notification_sound_enabled", "notification_sound_volume"].some((name) => name in changed);
    if (!(seen && !needsRestart)) await load();
    wangp.toast(say("settings_saved"));
    if (seen && !needsRestart) setTimeout(() => location.reload(), 600);
  }

  async function restart() {
    if (!confirm(say("restart_confirm"))) return;
    needsRestart = false;
    await fetch(wangp.url("restart"), { method: "POST" }).catch(() => null);
    wangp.toast(say("restarting"));
  }
})();
