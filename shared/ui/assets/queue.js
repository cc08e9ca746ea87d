// The queue as a list: running first, then waiting, and what failed until it is tried again or removed.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;
  let list, head, count, queue = null, running = {};

  wangp.panel("queue", (element) => {
    count = el("span", { class: "wg-count", "aria-live": "polite" });
    head = el("div", { class: "wg-head" }, el("h2", {}, say("queue")), count, el("div", { class: "wg-tools" }));
    list = el("ol", { class: "wg-queue", "aria-label": say("queue") });
    element.replaceChildren(head, list);
    draw();
  });

  wangp.on("queue", (message) => { queue = message; wangp.tasks = message.tasks; draw(); });
  wangp.on("progress", (message) => {
    running = Object.fromEntries(message.running.map((entry) => [entry.task_id, entry]));
    for (const row of list?.children ?? []) showProgress(row);
  });

  const command = (action, values = {}) => wangp.ask("queue", "queue_command", { action, ...values });
  wangp.command = command;

  function draw() {
    if (!list || !queue) return;
    count.textContent = queue.tasks.length + queue.more || "";
    const tools = [
      queue.paused
        ? button("play", say("resume"), () => command("resume"), { hint: say("resume_hint"), kind: "accent" })
        : button("pause", say("pause"), () => command("pause"), { hint: say("pause_hint") }),
      button("save", say("save_queue"), () => { location.href = wangp.url("queue.zip"); }, { bare: true, hint: say("save_queue_hint") }),
      button("open", say("load_queue"), () => wangp.chooseFile(), { bare: true, hint: say("load_queue_hint") }),
      queue.tasks.length
        ? button("clear", say("abort_all"), () => confirm(say("abort_all_confirm")) && command("abort_all"), { bare: true })
        : null,
    ];
    head.querySelector(".wg-tools").replaceChildren(...tools.filter(Boolean));
    const focused = document.activeElement?.closest?.("[data-task]")?.dataset.task;
    const label = focused && document.activeElement.getAttribute("aria-label");
    const rows = queue.tasks.map(row);
    if (!rows.length) rows.push(el("li", { class: "wg-empty" }, say("queue_empty")));
    if (queue.more) rows.push(el("li", { class: "wg-empty" }, say("queue_more", { count: queue.more })));
    list.replaceChildren(...rows);
    if (label) list.querySelector(`[data-task="${focused}"] [aria-label="${CSS.escape(label)}"]`)?.focus();
  }

  function row(task) {
    const waiting = queue.tasks.filter((other) => other.status === "waiting");
    const place = waiting.indexOf(task);
    const facts = [
      task.model,
      task.frames > 1 ? say("frames", { count: task.frames }) : null,
      task.steps ? say("steps", { count: task.steps }) : null,
      task.size?.replace("x", " × "), task.repeats > 1 ? `× ${task.repeats}` : null,
    ].filter(Boolean).join(" · ");
    const item = el("li", { class: `wg-task ${task.status}`, "data-task": task.id },
      picture(task),
      el("div", { class: "wg-task-text" },
        el("p", { class: "wg-prompt", title: task.prompt }, task.prompt || say("no_prompt")),
        el("p", { class: "wg-facts" }, facts),
        task.error ? el("p", { class: "wg-error", role: "alert" }, task.error) : null,
        task.status === "running" ? el("div", { class: "wg-bar small" }, el("i")) : null),
      el("span", { class: "wg-status" }, task.status === "waiting" ? `${place + 1}` : say(task.status)),
      el("div", { class: "wg-tools" }, ...actions(task, place, waiting.length)));
    showProgress(item);
    return item;
  }

  function actions(task, place, waiting) {
    const act = (icon, name, values, off = false) => {
      const made = button(icon, say(name), () => command(values.action ?? name, { id: task.id, ...values }), { bare: true });
      made.disabled = off;
      return made;
    };
    if (task.status === "running") return [act("stop", "abort", {})];
    if (task.status === "failed") return [act("retry", "retry", {}), act("close", "remove", {})];
    return [
      act("up", "up", { action: "move", position: place - 1 }, place === 0),
      act("down", "down", { action: "move", position: place + 1 }, place === waiting - 1),
      act("close", "remove", {}),
    ];
  }

  function picture(task) {
    if (!task.picture) return el("span", { class: "wg-thumb none" }, wangp.icon(task.frames > 1 ? "film" : "image"));
    return el("img", { class: "wg-thumb", alt: "", loading: "lazy", src: wangp.url(`tasks/${task.id}/picture.jpg`) });
  }

  function showProgress(item) {
    const bar = item.querySelector?.(".wg-bar i");
    const entry = running[item.dataset?.task];
    if (bar && entry) bar.style.width = entry.percent + "%";
  }
})();
