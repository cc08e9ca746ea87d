// The models' tab: what is on disk, what it takes, and downloads ahead of their first use.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;
  const STATES = { available: "is_available", partial: "is_partial", missing: "is_missing" };
  const filter = { words: "", state: "" };
  let root, bar, disk, list, models = [], total = null, downloads = {}, stale = false, asking = false;

  wangp.panel("models", (element) => {
    bar = el("div", { class: "wg-bar-top" });
    disk = el("div", { class: "wg-disk", role: "status" });
    list = el("ul", { class: "wg-model-list", "aria-label": say("models") });
    root = el("div", { class: "wg-models" }, bar, disk, list);
    element.replaceChildren(root);
    drawBar();
    reload();
  });

  for (const kind of ["models", "hello"]) wangp.on(kind, () => (root?.offsetParent ? reload() : (stale = true)));
  wangp.on("tab", ({ id }) => { if (id === "models" && stale) reload(); });
  wangp.on("downloads", (message) => {
    const before = downloads;
    downloads = Object.fromEntries(message.downloads.map((download) => [download.id, download]));
    for (const id of Object.keys(before)) if (!downloads[id]) redraw(id);
    for (const download of message.downloads) (before[download.id]?.status === download.status ? showLoad : redraw)(download.id);
    wangp.downloads = message.downloads;
  });

  async function reload() {
    if (!root || asking) { stale = Boolean(root); return; }
    asking = true;
    stale = false;
    try {
      const told = await wangp.get("models");
      models = told.models;
      total = told;
      draw();
    } catch (error) {
      wangp.toast(error.message, "error");
    }
    asking = false;
    if (stale) reload();
  }

  function drawBar() {
    const words = el("input", { type: "search", class: "wg-input", placeholder: say("search_models"), "aria-label": say("search_models"), id: "models_search" });
    words.oninput = () => { filter.words = words.value; draw(); };
    const states = [["", "kind_all"], ["disk", "on_disk"], ["missing", "not_on_disk"]];
    const segments = el("div", { class: "wg-segments", role: "group", "aria-label": say("state") }, ...states.map(([state, name]) =>
      el("button", {
        type: "button", "aria-pressed": String(filter.state === state), onclick: (event) => {
          filter.state = state;
          for (const other of segments.children) other.setAttribute("aria-pressed", String(other === event.currentTarget));
          draw();
        },
      }, say(name))));
    bar.replaceChildren(el("label", { class: "wg-search" }, wangp.icon("search"), words), segments, el("span", { class: "wg-result-count", role: "status" }));
  }

  const passes = (model) => {
    const text = `${model.name} ${model.id} ${model.family} ${model.description}`.toLowerCase();
    if (!filter.words.toLowerCase().split(/\s+/).every((word) => text.includes(word))) return false;
    const isThere = model.availability !== "missing" || model.half_bytes > 0 || downloads[model.id];
    return !filter.state || (filter.state === "disk") === Boolean(isThere);
  };

  function draw() {
    if (!total) return;
    const fact = (name, bytes) => el("span", {}, say(name) + " ", el("b", {}, wangp.bytes(bytes)));
    disk.replaceChildren(fact("models_take", total.total_bytes), fact("disk_free", total.free_bytes));
    const shown = models.filter(passes);
    bar.querySelector(".wg-result-count").textContent = say("models_found", { count: shown.length });
    const rows = [];
    let family = null;
    for (const model of shown) {
      if (model.family !== family) rows.push(el("li", { class: "wg-model-family" }, family = model.family));
      rows.push(row(model));
    }
    list.replaceChildren(...(rows.length ? rows : [el("li", { class: "wg-empty wg-model-row" }, say("nothing_found"))]));
  }

  function redraw(id) {
    const old = list?.querySelector(`[data-model="${CSS.escape(id)}"]`), model = models.find((other) => other.id === id);
    if (old && model) old.replaceWith(row(model));
  }

  function row(model) {
    const download = downloads[model.id];
    const shared = model.bytes - model.own_bytes;
    const size = model.bytes || model.half_bytes
      ? el("span", { class: "wg-size" }, wangp.bytes(model.bytes + model.half_bytes),
        model.bytes && shared > 0 ? el("small", {}, say("shared_size", { size: wangp.bytes(shared) })) : null,
        model.availability !== "available" && model.to_download ? el("small", {}, say("still_to_load", { size: wangp.bytes(model.to_download) })) : null)
      : el("span", { class: "wg-size" }, el("small", {}, model.to_download === null ? "" : say("to_load", { size: wangp.bytes(model.to_download) })));
    const made = el("li", { class: "wg-model-row", "data-model": model.id },
      el("div", {}, el("h3", {}, el("span", { class: `wg-mark ${model.availability}`, title: say(STATES[model.availability]) }), model.name),
        el("p", { class: "wg-model-note", title: model.description }, wangp.facts([model.availability === "available" ? "" : say(STATES[model.availability]), model.description]))),
      size, el("div", { class: "wg-tools" }, ...actions(model, download)));
    if (download) {
      made.append(el("div", { class: "wg-load" }, el("div", { class: "wg-bar" }, el("i")), el("p", { class: "wg-facts", role: "status" })));
      showLoad(model.id, made);
    }
    return made;
  }

  function actions(model, download) {
    const act = (action) => () => wangp.act(`models/${action}`, { model_type: model.id });
    if (download && download.status !== "failed") return [button("stop", say("cancel"), act("cancel"), { hint: say("cancel_load_hint") })];
    const buttons = [];
    if (download) buttons.push(button("retry", say("retry"), act("download")), button("close", say("dismiss"), act("cancel"), { bare: true }));
    else if (model.availability !== "available" && model.fetchable) {
      const begun = model.availability === "partial" || model.half_bytes > 0;
      const start = button("download", say(begun ? "resume_load" : "download_model"), act("download"));
      // Whoever is about to click wants to know how much it is; the answer comes as an event.
      if (model.to_download === null) for (const sign of ["pointerenter", "focus"]) start.addEventListener(sign, act("ask_size"), { once: true });
      buttons.push(start);
    }
    if (model.fetchable && (model.bytes > 0 || model.half_bytes > 0)) {
      buttons.push(button("trash", say("delete_model"), () => remove(model), { bare: true, kind: "danger" }));
    }
    return buttons;
  }

  async function remove(model) {
    const question = model.own_bytes + model.half_bytes < model.bytes
      ? say("delete_model_shared", { name: model.name, size: wangp.bytes(model.own_bytes + model.half_bytes) })
      : say("delete_model_question", { name: model.name, size: wangp.bytes(model.own_bytes + model.half_bytes) });
    if (!(await wangp.agree(question, say("delete_model")))) return;
    const told = await wangp.act("models/delete", { model_type: model.id });
    if (told) wangp.toast(say("model_deleted", { name: model.name, size: wangp.bytes(told.freed_bytes) }));
  }

  function showLoad(id, place = list?.querySelector(`[data-model="${CSS.escape(id)}"]`)) {
    const download = downloads[id], line = place?.querySelector(".wg-load");
    if (!line || !download) return;
    const share = download.total ? (100 * download.done) / download.total : 0;
    line.querySelector("i").style.width = `${share}%`;
    line.querySelector(".wg-bar").classList.toggle("waiting", download.status === "running" && !download.total);
    const text = line.querySelector(".wg-facts");
    text.classList.toggle("wg-error", download.status === "failed");
    if (download.status === "failed") text.textContent = download.error;
    else if (download.status === "waiting") text.textContent = say("load_waiting");
    else if (!download.files) text.textContent = say("looking_up");
    else text.textContent = wangp.facts([
      download.total ? say("bytes_of", { done: wangp.bytes(download.done), total: wangp.bytes(download.total) }) : wangp.bytes(download.done),
      download.speed ? `${wangp.bytes(download.speed)}/s` : "",
      download.left_s !== null ? say("left", { time: wangp.about(download.left_s) }) : "",
      download.trouble ? say("trying_again", { reason: download.trouble }) : "",
    ]);
  }
})();
