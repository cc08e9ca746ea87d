// The model finder: a button with the model's name opens a list that is searched by typing and filtered by clicks.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say } = wangp;
  const KINDS = { video: "kind_video", image: "kind_image", audio: "kind_audio", text: "kind_text" };
  const MARKS = { available: "model_available", partial: "model_partial", missing: "model_missing" };
  let opener = null, dialog = null, search, list, sides, count;
  let models = [], fresh = false;
  const wanted = { words: "", family: "", makes: new Set(), takes: new Set(), ready: false };

  wangp.panel("finder", (element) => {
    opener = el("button", { type: "button", class: "wg-model", id: "find_model", "aria-haspopup": "dialog", onclick: open });
    element.replaceChildren(opener);
    drawOpener();
  });
  wangp.on("model", drawOpener);
  wangp.on("models", async () => {
    fresh = false;
    if (!dialog?.open) return;
    await load();
    draw();
  });
  wangp.on("output", () => { fresh = false; });

  function drawOpener() {
    if (!opener || !wangp.model) return;
    const { name, family, availability } = wangp.model;
    opener.title = say("find_model");
    opener.setAttribute("aria-label", `${say("find_model")}: ${name}`);
    opener.replaceChildren(
      el("span", { class: `wg-dot ${availability}`, title: say(MARKS[availability]) }),
      el("strong", {}, name), el("span", { class: "wg-quiet" }, family), wangp.icon("search"));
  }

  async function open() {
    if (!dialog) build();
    wanted.words = search.value = wanted.family = "";
    dialog.showModal();
    search.focus();
    if (!fresh) await load();
    drawSides();
    draw();
    list.querySelector(".chosen")?.scrollIntoView({ block: "center" });
  }

  async function load() {
    const answer = await fetch(wangp.url("finder")).catch(() => null);
    if (!answer?.ok) return wangp.toast(say("lost"), "error");
    models = (await answer.json()).models;
    fresh = true;
  }

  function build() {
    search = el("input", {
      type: "search", placeholder: say("find_placeholder"), "aria-label": say("find_placeholder"), autocomplete: "off",
      oninput: () => { wanted.words = search.value.toLowerCase(); draw(); },
      onkeydown: (event) => {
        if (event.key === "Enter") list.querySelector("button")?.click();
        else if (event.key === "ArrowDown") list.querySelector("button")?.focus();
        else return;
        event.preventDefault();
      },
    });
    count = el("span", { class: "wg-count", role: "status" });
    sides = el("div", { class: "wg-families", role: "group", "aria-label": say("all_families") });
    list = el("ul", { class: "wg-found", onkeydown: moveFocus });
    dialog = el("dialog", { class: "wg-dialog wg-finder", "aria-label": say("find_model"), onclick: (event) => event.target === dialog && dialog.close() },
      el("div", { class: "wg-finder-head" }, search,
        wangp.button("close", say("close"), () => dialog.close(), { bare: true })),
      el("div", { class: "wg-filters" },
        chips("find_makes", "makes", ["video", "image", "audio"]), chips("find_takes", "takes", ["image", "video", "audio"]),
        chip(say("find_ready"), () => wanted.ready, () => { wanted.ready = !wanted.ready; }), count),
      el("div", { class: "wg-finder-body" }, sides, list));
    document.body.append(dialog);
  }

  function chips(label, key, kinds) {
    return el("div", { class: "wg-chips", role: "group", "aria-label": say(label) }, el("span", { class: "wg-quiet" }, say(label)),
      ...kinds.map((kind) => chip(say(KINDS[kind]), () => wanted[key].has(kind), () => {
        if (!wanted[key].delete(kind)) wanted[key].add(kind);
      })));
  }

  function chip(label, isOn, turn) {
    const made = el("button", { type: "button", class: "wg-chip", "aria-pressed": "false", onclick: () => {
      turn();
      made.setAttribute("aria-pressed", isOn());
      draw();
    } }, label);
    return made;
  }

  function drawSides() {
    const families = new Map(models.map((model) => [model.family, model.family_label]));
    const made = [["", say("all_families")], ...families].map(([family, label]) =>
      el("button", { type: "button", class: "wg-family", "aria-pressed": String(wanted.family === family), onclick: () => {
        wanted.family = family;
        drawSides();
        draw();
      } }, el("span", {}, label), el("small", {}, String(models.filter((model) => !family || model.family === family).length))));
    sides.replaceChildren(...made);
  }

  function fits(model) {
    const text = `${model.name} ${model.id} ${model.family_label} ${model.description}`.toLowerCase();
    return (!wanted.family || model.family === wanted.family)
      && (!wanted.ready || model.availability === "available")
      && [...wanted.makes].every((kind) => model.makes.includes(kind))
      && [...wanted.takes].every((kind) => model.takes.includes(kind))
      && wanted.words.split(/\s+/).every((word) => text.includes(word));
  }

  // A model whose name holds the words comes before one whose description does; a finetune follows its base.
  function found() {
    const fitting = models.filter(fits);
    const named = (model) => wanted.words && model.name.toLowerCase().includes(wanted.words) ? 0 : 1;
    const byName = [...fitting].sort((left, right) => named(left) - named(right));
    const bases = byName.filter((model) => !fitting.some((other) => other.id === model.base));
    return bases.flatMap((base) => [base, ...byName.filter((model) => model.base === base.id)]);
  }

  function draw() {
    const rows = found();
    count.textContent = say("find_count", { count: rows.length });
    list.replaceChildren(...(rows.length ? rows.map(row) : [el("li", { class: "wg-empty" }, say("find_none"))]));
  }

  function row(model) {
    const base = models.find((other) => other.id === model.base);
    const chosen = model.id === wangp.model?.model_type;
    const facts = el("span", { class: "wg-facts" }, facts_of(model));
    const button = el("button", {
      type: "button", class: "wg-find", "data-model": model.id, "aria-current": chosen ? "true" : null,
      onclick: () => choose(model), onfocus: () => cost(model, facts), onmouseenter: () => cost(model, facts),
    },
    el("span", { class: "wg-find-name" }, el("span", { class: `wg-dot ${model.availability}`, title: say(MARKS[model.availability]) }), el("strong", {}, model.name),
      base ? el("span", { class: "wg-quiet" }, say("model_finetune", { base: base.name })) : null,
      el("span", { class: "wg-makes" }, model.makes.map((kind) => say(KINDS[kind])).join(" · "))),
    model.description ? el("span", { class: "wg-find-text" }, model.description) : null, facts);
    return el("li", { class: `${chosen ? "chosen" : ""} ${base ? "finetune" : ""}` }, button);
  }

  function facts_of(model) {
    const size = model.availability === "available" ? say("model_available") : say(MARKS[model.availability]);
    return [
      size, model.on_disk ? say("model_disk", { size: wangp.bytes(model.on_disk) }) : null,
      model.to_download ? say("model_download", { size: wangp.bytes(model.to_download) }) : null,
      model.seconds ? say("model_seconds", { time: wangp.time(model.seconds) }) : null, model.memory,
    ].filter(Boolean).join(" · ");
  }

  // Memory and download size of a model are asked for when it is looked at.
  async function cost(model, facts) {
    if (model.asked) return;
    model.asked = true;
    const answer = await fetch(wangp.url(`finder/${encodeURIComponent(model.id)}`)).catch(() => null);
    if (!answer?.ok) return;
    const told = await answer.json();
    model.memory = told.memory;
    model.to_download = told.to_download;
    facts.textContent = facts_of(model);
    facts.classList.toggle("wg-wrong-text", !told.fits);
  }

  function choose(model) {
    dialog.close();
    if (model.id !== wangp.model?.model_type) wangp.ask("finder", "choose_model", { model: model.id });
    document.querySelector("#prompt textarea")?.focus();
  }

  function moveFocus(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...list.querySelectorAll("button")];
    const next = buttons.indexOf(document.activeElement) + step;
    (buttons[next] ?? (step < 0 ? search : buttons[buttons.length - 1])).focus();
  }
})();
