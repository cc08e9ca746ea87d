// The stage: the running task with its live view, or the chosen result. Its size never depends on what it shows.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;
  let view, line, info, shown = null, progress = null, paused = false, lost = false, live = true, ticker = 0, asked = null;
  let told = 0;

  wangp.panel("stage", (element) => {
    view = el("div", { class: "wg-view", role: "region", "aria-label": say("stage") });
    line = {
      bar: el("div", { class: "wg-bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, el("i")),
      phase: el("span", { class: "wg-phase", role: "status", "aria-live": "polite" }, say("connecting")),
      time: el("span", { class: "wg-time" }),
      abort: button("stop", say("abort"), () => wangp.command("abort", { id: progress?.task_id }), { hint: say("abort_hint"), kind: "abort" }),
      live: button("play", say("live"), () => { live = true; draw(); }, { hint: say("back_to_live"), kind: "accent" }),
    };
    line.abort.id = "abort";
    info = el("div", { class: "wg-info" });
    element.replaceChildren(view, line.bar,
      el("div", { class: "wg-line" }, line.phase, line.time, line.live, line.abort), info);
    draw();
  });

  wangp.on("models", () => wangp.ask("stage", "refresh_models", {}));
  wangp.on("connection", (message) => { lost = message.lost; drawLine(); });
  wangp.on("queue", (message) => { paused = message.paused; drawLine(); if (info && progress && live) drawInfo(); });
  wangp.on("progress", (message) => {
    const before = progress?.task_id;
    progress = message.running[0] ?? null;
    told = performance.now();
    if (progress && progress.task_id !== before) {
      live = true;
      if (wangp.isOurs(progress) && matchMedia("(max-width: 900px)").matches) view?.scrollIntoView({ behavior: "smooth" });
    }
    if ((progress?.task_id ?? null) !== (before ?? null)) draw();
    else { drawLine(); showPreview(); }
  });
  wangp.on("status", (message) => {
    if (!progress || message.task_id !== progress.task_id) return;
    progress.text ||= message.text;
    drawLine();
  });
  setInterval(() => progress && drawLine(), 1000);

  // A result chosen in the gallery is shown also while a task runs; the live view is one click away.
  wangp.show = (result, chosen = true) => {
    shown = result;
    if (chosen) live = false;
    draw();
    if (chosen && matchMedia("(max-width: 900px)").matches) view?.scrollIntoView({ behavior: "smooth", block: "start" });
  };
  wangp.shown = () => shown;

  function draw() {
    if (!view) return;
    clearInterval(ticker);
    if (progress && live) drawLive();
    else if (shown) view.replaceChildren(wangp.player(shown));
    else view.replaceChildren(el("div", { class: "wg-nothing" }, wangp.icon("film"),
      el("p", {}, say("empty_stage")), el("small", {}, say("empty_hint"))));
    drawLine();
    drawInfo();
  }

  function drawLine() {
    if (!line) return;
    const busy = Boolean(progress);
    line.abort.hidden = !busy;
    line.live.hidden = !(busy && !live);
    line.bar.firstChild.style.width = (busy ? progress.percent : 0) + "%";
    line.bar.classList.toggle("waiting", busy && progress.step === null);
    line.bar.setAttribute("aria-valuenow", busy ? progress.percent : 0);
    const passed = busy ? (performance.now() - told) / 1000 : 0;
    if (lost) return tell(say("lost"), "");
    if (!busy) return tell(say(paused ? "paused" : "idle"), "");
    const counted = progress.step !== null && progress.total && !progress.unit
      ? " · " + say("step", { step: progress.step, total: progress.total }) : "";
    const left = progress.left_s === null ? say("elapsed", { time: wangp.time(progress.elapsed_s + passed) })
      : say("left", { time: wangp.time(progress.left_s - passed) });
    tell((paused ? say("paused") + " · " : "") + (progress.text ? wangp.phase(progress.text) : say("starting")) + counted, paused ? "" : left);
  }

  function tell(phase, time) {
    if (line.phase.textContent !== phase) line.phase.textContent = phase;
    line.time.textContent = time;
  }

  // The preview is a strip of frames side by side; it is played in place.
  function drawLive() {
    const frame = el("div", { class: "wg-preview" });
    view.replaceChildren(el("div", { class: "wg-live" }, el("div", { class: "wg-nothing waiting" }, wangp.icon("film")), frame));
    asked = null;
    showPreview();
  }

  function showPreview() {
    const frame = view?.querySelector(".wg-preview");
    if (!frame || !progress?.preview || asked === progress.preview) return;
    const number = asked = progress.preview;
    const picture = new Image();
    picture.onload = () => { if (asked === number || !frame.dataset.count) play(frame, picture); };
    picture.src = wangp.url(`preview/${progress.task_id}.jpg?${number}`);
  }

  function play(frame, picture) {
    const task = (wangp.tasks ?? []).find((other) => other.id === progress?.task_id);
    const [width, height] = (task?.size ?? "1x1").split("x").map(Number);
    const count = Math.max(1, Math.round(picture.width / picture.height / (width / height || 1)));
    frame.style.backgroundImage = `url("${picture.src}")`;
    frame.style.backgroundSize = `${count * 100}% 100%`;
    frame.style.aspectRatio = `${picture.width / count} / ${picture.height}`;
    frame.previousSibling?.remove();
    if (frame.dataset.count === String(count)) return;
    frame.dataset.count = count;
    clearInterval(ticker);
    let index = matchMedia("(prefers-reduced-motion: reduce)").matches ? Math.floor(count / 2) : 0;
    const step = () => { frame.style.backgroundPositionX = count > 1 ? `${(index / (count - 1)) * 100}%` : "0"; };
    step();
    if (count > 1 && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      ticker = setInterval(() => { index = (index + 1) % count; step(); }, 160);
    }
  }

  function drawInfo() {
    if (progress && live) return info.replaceChildren(...runningInfo());
    if (!shown) return info.replaceChildren(el("ul", { class: "wg-hints" },
      ...["hint_keys", "hint_drop", "hint_start"].map((name) => el("li", {}, say(name)))));
    const details = el("details", {}, el("summary", {}, say("all_settings")), el("pre", { tabindex: "0" }));
    details.addEventListener("toggle", () => details.open && fillSettings(details.querySelector("pre"), shown));
    info.replaceChildren(
      el("p", { class: "wg-prompt", title: shown.prompt }, shown.prompt || say("no_prompt")),
      el("p", { class: "wg-facts" }, wangp.resultFacts(shown)),
      wangp.resultActions(shown),
      details);
  }

  function runningInfo() {
    const task = (wangp.tasks ?? []).find((other) => other.id === progress.task_id);
    if (!task) return [];
    const facts = [task.model, task.size?.replace("x", " × "), task.frames > 1 ? say("frames", { count: task.frames }) : null,
      task.steps ? say("steps", { count: task.steps }) : null];
    return [el("p", { class: "wg-prompt", title: task.prompt }, task.prompt || say("no_prompt")),
      el("p", { class: "wg-facts" }, facts.filter(Boolean).join(" · "))];
  }

  async function fillSettings(place, result) {
    const answer = await fetch(wangp.url(`results/${result.id}/settings.json`));
    place.textContent = answer.ok ? await answer.text() : say("lost");
  }
})();
