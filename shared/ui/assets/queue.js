// The queue as a list: running first, then waiting, and what failed until it is tried again or removed.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;
  const items = new Map(), rows = new Map();
  let list, head, count, order = [], state = null, running = {}, drag = null, told = 0;

  wangp.panel("queue", (element) => {
    count = el("span", { class: "wg-count", "aria-live": "polite" });
    head = el("div", { class: "wg-head" }, el("h2", {}, say("queue")), count, el("div", { class: "wg-tools" }));
    list = el("ol", { class: "wg-queue", "aria-label": say("queue") });
    element.replaceChildren(head, list);
    draw();
  });

  wangp.on("queue", (message) => {
    state = message;
    order = message.order;
    for (const task of message.tasks) {
      rows.set(task.id, task);
      items.delete(task.id);
    }
    const known = new Set(order);
    for (const id of [...rows.keys()]) if (!known.has(id)) { rows.delete(id); items.delete(id); }
    wangp.tasks = order.map((id) => rows.get(id));
    draw();
    drawEditing();
  });
  wangp.on("progress", (message) => {
    running = Object.fromEntries(message.running.map((entry) => [entry.task_id, entry]));
    for (const id of Object.keys(running)) showProgress(items.get(Number(id)));
    if (performance.now() - told > 2000) showTimes();
  });

  const command = async (action, values = {}) => {
    const answer = await wangp.act(`queue/${action}`, values);
    if (answer?.text) wangp.toast(answer.text);
    return Boolean(answer?.done);
  };
  wangp.command = command;

  const waiting = () => wangp.tasks.filter((task) => task.status === "waiting");

  function draw() {
    if (!list || !state || drag) return;
    const failed = wangp.tasks.filter((task) => task.status === "failed").length;
    const tools = [
      state.paused
        ? button("play", say("resume"), () => command("resume"), { hint: say("resume_hint"), kind: "accent" })
        : button("pause", say("pause"), () => command("pause"), { hint: say("pause_hint") }),
      button("save", say("save_queue"), () => { location.href = wangp.url("queue.zip"); }, { bare: true, hint: say("save_queue_hint") }),
      button("open", say("load_queue"), () => wangp.chooseFile(), { bare: true, hint: say("load_queue_hint") }),
      failed > 1 ? button("check", say("clear_failed"), () => command("clear_failed"), { bare: true }) : null,
      order.length ? button("clear", say("abort_all"), abortAll, { bare: true }) : null,
    ];
    head.querySelector(".wg-tools").replaceChildren(...tools.filter(Boolean));
    const focused = document.activeElement?.closest?.("[data-task]")?.dataset.task;
    const label = focused && document.activeElement.getAttribute("aria-label");
    place();
    if (label && document.activeElement?.closest?.("[data-task]")?.dataset.task !== focused) {
      list.querySelector(`[data-task="${focused}"] [aria-label="${CSS.escape(label)}"]`)?.focus();
    }
    showTimes();
  }

  async function abortAll() {
    if (await wangp.agree(say("abort_all_confirm"), say("abort_all"))) command("abort_all");
  }

  // Keeps the elements of rows that have not changed, and moves as few as it can.
  function place() {
    const wanted = wangp.tasks.map((task) => {
      if (!items.has(task.id)) items.set(task.id, row(task));
      return items.get(task.id);
    });
    if (!wanted.length) wanted.push(el("li", { class: "wg-empty" }, say("queue_empty")));
    if (state.more) wanted.push(el("li", { class: "wg-empty" }, say("queue_more", { count: state.more })));
    list.classList.toggle("long", wanted.length > 50);
    const kept = new Set(wanted);
    for (const child of [...list.children]) if (!kept.has(child)) child.remove();
    wanted.forEach((item, index) => { if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null); });
  }

  // Positions, and when each task will start by what is known of those before it.
  function showTimes() {
    told = performance.now();
    if (!list || !state) return;
    let before = 0, known = true, number = 0, total = 0;
    for (const task of wangp.tasks ?? []) {
      const item = items.get(task.id);
      if (task.status === "running") {
        const left = running[task.id]?.left_s ?? task.estimate_s;
        if (left === null || left === undefined) known = false; else { before += left; total += left; }
        showProgress(item);
      } else if (task.status === "waiting") {
        number += 1;
        const status = item.querySelector(".wg-status");
        const estimate = task.estimate_s === null ? "" : say("about", { time: wangp.about(task.estimate_s) });
        const start = known && before > 0 ? say("starts_in", { time: wangp.about(before) }) : "";
        status.firstChild.textContent = task.editor ? say("held") : `${number}`;
        status.lastChild.textContent = estimate;
        status.title = start;
        item.querySelector(".wg-grip")?.setAttribute("aria-label", say("move_task", { position: number }));
        if (task.estimate_s === null) known = false; else { before += task.estimate_s; total += task.estimate_s; }
      }
    }
    const all = order.length + state.more;
    count.textContent = all ? `${all}${total > 0 ? " · " + say(known ? "about" : "at_least", { time: wangp.about(total) }) : ""}` : "";
  }

  function row(task) {
    const facts = wangp.facts([
      task.model,
      task.frames > 1 ? say("frames", { count: task.frames }) : null,
      task.steps ? say("steps", { count: task.steps }) : null,
      task.size?.replace("x", " × "), task.repeats > 1 ? `× ${task.repeats}` : null,
    ]);
    const other = task.client_id?.startsWith("page-") && !wangp.isOurs(task);
    const held = task.editor ? say(task.editor === wangp.token ? "edited_here" : "edited_by_other") : other ? say("of_other_window") : "";
    return el("li", { class: `wg-task ${task.status} ${task.editor ? "held" : ""}`, "data-task": task.id },
      task.status === "waiting" ? grip(task) : el("span", { class: "wg-grip-space" }),
      picture(task),
      el("div", { class: "wg-task-text" },
        el("p", { class: "wg-prompt", title: task.prompt }, task.prompt || say("no_prompt")),
        el("p", { class: "wg-facts" }, facts, held ? el("span", { class: "wg-owner" }, " · " + held) : null),
        task.error ? el("p", { class: "wg-error", role: "alert" }, task.error) : null,
        task.status === "running" ? el("p", { class: "wg-facts wg-now" }) : null,
        task.status === "running" ? el("div", { class: "wg-bar small" }, el("i")) : null),
      el("span", { class: "wg-status" }, el("b", {}, task.status === "waiting" ? "" : say(task.status)), el("small")),
      el("div", { class: "wg-tools" }, ...actions(task)));
  }

  function actions(task) {
    const act = (icon, name, action = name, hint = "") =>
      button(icon, say(name), () => command(action, { id: task.id }), { bare: true, hint });
    const edit = () => button("edit", say("edit"), () => startEditing(task), { bare: true, hint: say("edit_hint") });
    if (task.status === "running") {
      return [
        act("plus", "one_more", "one_more", say("one_more_hint")),
        task.extends ? act("longer", "extend", "extend", say("extend_hint")) : null,
        act("flag", "finish_early", "finish_early", say("finish_early_hint")),
        act("stop", "abort"),
      ].filter(Boolean);
    }
    const buttons = task.status === "failed" ? [act("retry", "retry")] : [];
    if (!task.edit_mode && !task.editor) buttons.push(edit());
    return [...buttons, act("copy", "duplicate"), act("close", "remove")];
  }

  function picture(task) {
    if (task.status === "running") return el("span", { class: "wg-thumb none wg-small-preview" }, wangp.icon(task.frames > 1 ? "film" : "image"));
    if (!task.picture) return el("span", { class: "wg-thumb none" }, wangp.icon(task.frames > 1 ? "film" : "image"));
    return el("img", { class: "wg-thumb", alt: "", loading: "lazy", src: wangp.url(`tasks/${task.id}/picture.jpg`) });
  }

  function showProgress(item) {
    const entry = running[item?.dataset.task];
    const bar = item?.querySelector(".wg-bar i");
    if (!bar || !entry) return;
    bar.style.width = entry.percent + "%";
    const left = entry.left_s === null ? "" : say("left", { time: wangp.about(entry.left_s) });
    const step = entry.step !== null && entry.total && !entry.unit ? say("step", { step: entry.step, total: entry.total }) : "";
    item.querySelector(".wg-now").textContent = wangp.facts([entry.text || say("starting"), step, left]);
    item.querySelector(".wg-status small").textContent = `${entry.percent} %`;
    showPreview(item, entry);
  }

  // The middle frame of the live preview, which is a strip of frames side by side.
  function showPreview(item, entry) {
    const place = item.querySelector(".wg-small-preview");
    if (!entry.preview || place.dataset.number === String(entry.preview)) return;
    place.dataset.number = entry.preview;
    const strip = new Image();
    strip.onload = () => {
      const [width, height] = (rows.get(entry.task_id)?.size ?? "1x1").split("x").map(Number);
      const frames = Math.max(1, Math.round(strip.width / strip.height / (width / height || 1)));
      const middle = Math.floor(frames / 2);
      place.replaceChildren();
      place.style.background = `url("${strip.src}") ${frames > 1 ? (middle / (frames - 1)) * 100 : 50}% 50% / ${frames * 100}% 100%`;
    };
    strip.src = wangp.url(`preview/${entry.task_id}.jpg?${entry.preview}`);
  }

  // Moving: by the handle with the pointer, or with the arrow keys on it.
  function grip(task) {
    return el("button", {
      type: "button", class: "wg-button bare wg-grip", title: say("move_hint"), "aria-label": say("move_hint"),
      onpointerdown: startDrag, onkeydown: (event) => moveByKey(event, task),
    }, wangp.icon("grip"));
  }

  function moveByKey(event, task) {
    const ids = waiting().map((other) => other.id), from = ids.indexOf(task.id);
    const to = { ArrowUp: from - 1, ArrowDown: from + 1, Home: 0, End: ids.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0 || to >= ids.length || to === from) return;
    ids.splice(from, 1);
    ids.splice(to, 0, task.id);
    move(task.id, ids[to + 1] ?? null);
  }

  // Told by the neighbour, not by a number: the queue may have gone on meanwhile.
  async function move(id, before) {
    order = order.filter((other) => other !== id);
    const last = order.findLastIndex((other) => ["running", "waiting"].includes(rows.get(other).status));
    order.splice(before === null ? last + 1 : order.indexOf(before), 0, id);
    wangp.tasks = order.map((other) => rows.get(other));
    draw();
    if (await command("move", { id, before })) return;
    order = state.order;
    wangp.tasks = order.map((other) => rows.get(other)).filter(Boolean);
    draw();
  }

  function startDrag(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    const handle = event.currentTarget, item = handle.closest(".wg-task"), id = Number(item.dataset.task);
    handle.focus();
    drag = { item, id };
    item.classList.add("dragged");
    const others = () => [...list.querySelectorAll(".wg-task.waiting")].filter((other) => other !== item);
    const onMove = (moved) => {
      const box = list.getBoundingClientRect();
      if (moved.clientY < box.top + 30) list.scrollTop -= 12;
      if (moved.clientY > box.bottom - 30) list.scrollTop += 12;
      const after = others().find((other) => {
        const place = other.getBoundingClientRect();
        return moved.clientY < place.top + place.height / 2;
      });
      const end = others().at(-1)?.nextSibling ?? null;
      const target = after ?? (end === item ? item.nextSibling : end);
      if (target !== item && item.nextSibling !== target) list.insertBefore(item, target);
    };
    const finish = (keep) => {
      removeEventListener("pointermove", onMove);
      removeEventListener("pointerup", drop);
      removeEventListener("pointercancel", cancel);
      removeEventListener("keydown", escape, true);
      item.classList.remove("dragged");
      drag = null;
      const next = item.nextElementSibling?.classList.contains("waiting") ? Number(item.nextElementSibling.dataset.task) : null;
      const ids = waiting().map((task) => task.id);
      const usual = ids[ids.indexOf(id) + 1] ?? null;
      if (keep && next !== usual && rows.get(id)?.status === "waiting") move(id, next);
      else draw();
    };
    const drop = () => finish(true), cancel = () => finish(false);
    const escape = (pressed) => { if (pressed.key === "Escape") { pressed.preventDefault(); cancel(); } };
    addEventListener("pointermove", onMove);
    addEventListener("pointerup", drop);
    addEventListener("pointercancel", cancel);
    addEventListener("keydown", escape, true);
  }

  // Editing: the task is held in the queue, its settings are in the form; what was there before comes back after it.
  const BEFORE = "wangp-form-before-edit";
  let edited = null;

  function startEditing(task) {
    if (edited === null) sessionStorage.setItem(BEFORE, sessionStorage.getItem("wangp-form") ?? "");
    wangp.ask("queue", "edit_task", { id: task.id, token: wangp.token });
    wangp.tab("generator");
    document.getElementById("prompt")?.scrollIntoView({ behavior: "smooth", block: "center" });
  }

  // After a reload the form may stand later than the first word of the queue.
  wangp.on("form", showBar);
  function showBar() {
    if (edited === null || document.getElementById("wangp-edit-bar")) return;
    document.getElementById("wangp-buttons")?.before(el("div", { id: "wangp-edit-bar", class: "wg-edit-bar", role: "status" },
      el("strong", {}, say("editing", { id: edited })),
      button("close", say("cancel"), () => command("release", { window: wangp.token })),
      button("check", say("put_task_back"), () => document.querySelector("#put_task_back, #put_task_back button")?.click(), { kind: "accent" })));
  }

  function drawEditing() {
    const task = wangp.tasks.find((other) => other.editor === wangp.token) ?? null;
    if ((task?.id ?? null) === edited) return;
    const last = edited;
    edited = task?.id ?? null;
    document.body.classList.toggle("wg-editing", edited !== null);
    document.getElementById("wangp-edit-bar")?.remove();
    if (edited !== null) return showBar();
    if (!rows.has(last)) return wangp.toast(say("edited_gone", { id: last }), "error");
    const form = sessionStorage.getItem(BEFORE);
    sessionStorage.removeItem(BEFORE);
    if (form) wangp.ask("queue", "restore_form", { token: wangp.token, form: JSON.parse(form) });
  }
})();
