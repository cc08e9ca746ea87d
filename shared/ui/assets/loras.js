// The LoRA list: searched by typing, a weight at each chosen one; phases and lists over the steps behind "advanced".
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say } = wangp;
  let element = null, list, chosenList, search, files = [], phases = 1, folder = "", of = null, drawn = "";

  wangp.panel("loras", (place) => {
    element = place;
    search = el("input", { type: "search", "aria-label": say("lora_search"), placeholder: say("lora_search"), oninput: draw, onfocus: load });
    chosenList = el("ul", { class: "wg-loras chosen", "aria-label": say("lora_chosen") });
    list = el("ul", { class: "wg-loras", "aria-label": say("lora_search") });
    const advanced = el("label", { class: "wg-check" }, el("input", { type: "checkbox", onchange: (event) => {
      document.getElementById("group_lora")?.classList.toggle("wg-advanced", event.target.checked);
    } }), say("lora_advanced"));
    element.replaceChildren(chosenList, search, list, advanced);
    load();
  });
  wangp.on("model", () => { if (element && of !== wangp.model.model_type) load(); });
  wangp.on("form", () => element && draw());

  async function load() {
    if (!wangp.model || !("activated_loras" in wangp.model.labels)) return;
    of = wangp.model.model_type;
    const told = await wangp.get("loras/" + encodeURIComponent(of)).catch(() => null);
    if (!told) return;
    ({ loras: files, folder, phases } = told);
    drawn = "";
    draw();
  }

  // The LoRAs of the form with the words that stand for their weights; those left of the bar are an accelerator's.
  function chosen() {
    const names = wangp.value("activated_loras") ?? [];
    const plain = String(wangp.value("loras_multipliers") ?? "").split("\n").filter((line) => !line.trim().startsWith("#")).join(" ");
    const [left, right] = plain.includes("|") ? plain.split("|") : ["", plain];
    const words = (text) => text.split(/\s+/).filter(Boolean);
    const own = words(left);
    return names.map((name, index) => ({
      name, isAccelerator: index < own.length, weight: (index < own.length ? own[index] : words(right)[index - own.length]) ?? "1",
    }));
  }

  function tell(entries) {
    const weights = (some) => some.map((entry) => entry.weight).join(" ");
    const [before, after] = [entries.filter((entry) => entry.isAccelerator), entries.filter((entry) => !entry.isAccelerator)];
    wangp.set({
      activated_loras: [...before, ...after].map((entry) => entry.name),
      loras_multipliers: before.length ? `${weights(before)}|${weights(after)}` : weights(after),
    });
  }

  function draw() {
    const entries = chosen(), words = search.value.toLowerCase().split(/\s+/);
    const state = JSON.stringify([entries, words, of, files.length]);
    if (state === drawn || chosenList.contains(document.activeElement) && document.activeElement.type === "number") return;
    drawn = state;
    chosenList.replaceChildren(...entries.map((entry, index) => row(entry, entries, index)));
    const names = new Set(entries.map((entry) => entry.name));
    const fitting = files.filter((name) => !names.has(name) && words.every((word) => name.toLowerCase().includes(word)));
    const shown = fitting.slice(0, 200).map((name) => el("li", {}, el("button", {
      type: "button", class: "wg-lora", title: name, onclick: () => tell([...chosen(), { name, isAccelerator: false, weight: "1" }]),
    }, wangp.icon("plus"), short(name))));
    if (!files.length) shown.push(el("li", { class: "wg-empty" }, say("lora_none", { folder })));
    list.replaceChildren(...shown);
  }

  function row(entry, entries, index) {
    const isPlain = !Number.isNaN(Number(entry.weight));
    const change = (weight) => tell(entries.map((other, place) => (place === index ? { ...other, weight } : other)));
    const field = el("input", isPlain
      ? { type: "number", step: "0.05", value: entry.weight, "aria-label": say("lora_weight", { name: short(entry.name) }), onchange: () => change(field.value || "1") }
      : { type: "text", value: entry.weight, "aria-label": say("lora_weight", { name: short(entry.name) }), onchange: () => change(field.value.trim().replaceAll(/\s+/g, ";") || "1") });
    if (phases > 1) field.title = say("lora_phases", { count: phases });
    return el("li", { class: "wg-lora-row" }, el("span", { class: "wg-lora-name", title: entry.name }, short(entry.name),
      entry.isAccelerator ? el("small", { class: "wg-quiet" }, ` ${say("presets_accelerator")}`) : null), field,
    wangp.button("close", say("lora_remove", { name: short(entry.name) }), () => tell(entries.filter((other) => other !== entry)), { bare: true }));
  }

  const short = (name) => name.split(/[\\/]/).pop().replace(/\.(safetensors|sft)(\?.*)?$/i, "");
})();
