// All results of the history, newest first, fetched a page at a time.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say } = wangp;
  let grid, more, head, results = [], next = 0, total = 0, fetching = false, again = false;

  wangp.fileUrl = (result) => wangp.url(`results/${result.id}/${encodeURIComponent(result.name)}`);

  wangp.panel("gallery", (element) => {
    head = el("div", { class: "wg-head" }, el("h2", {}, say("gallery")), el("span", { class: "wg-count" }));
    grid = el("ul", { class: "wg-gallery", "aria-label": say("gallery") });
    more = wangp.button("down", say("show_more"), () => load());
    more.hidden = true;
    element.replaceChildren(head, grid, el("div", { class: "wg-more" }, more));
    refresh();
  });

  wangp.on("hello", () => refresh());
  wangp.on("output", (message) => refresh(message.task_id));
  wangp.on("gallery", () => refresh());

  async function page(offset) {
    const answer = await fetch(wangp.url(`results?offset=${offset}`));
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.json();
  }

  // Reads the first page anew and keeps what was loaded behind it. A new result of a task is put on the stage.
  async function refresh(task = null) {
    if (!grid) return;
    if (fetching) { again = task ?? true; return; }
    fetching = true;
    try {
      const first = await page(0);
      const known = new Set(first.results.map((result) => result.id));
      const rest = results.length > first.results.length ? results.filter((result) => !known.has(result.id)) : [];
      total = first.total;
      results = [...first.results, ...(rest.length && total > first.next ? rest : [])];
      next = Math.max(first.next, Math.min(total, results.length));
      draw();
      const wanted = results.find((result) => result.task_id === task);
      const shown = wangp.shown();
      if (wanted) wangp.show(wanted, false);
      else if (!shown && results.length) wangp.show(results[0], false);
      else if (shown && !known.has(shown.id) && !results.some((result) => result.id === shown.id)) wangp.show(results[0] ?? null, false);
    } catch (error) {
      console.warn("The gallery could not be read", error);
    }
    fetching = false;
    if (again) {
      const then = again;
      again = false;
      refresh(then === true ? null : then);
    }
  }

  async function load() {
    if (fetching) return;
    fetching = true;
    try {
      const answer = await page(next);
      const known = new Set(results.map((result) => result.id));
      results.push(...answer.results.filter((result) => !known.has(result.id)));
      next = answer.next;
      total = answer.total;
      draw();
    } finally {
      fetching = false;
    }
  }

  function draw() {
    head.querySelector(".wg-count").textContent = total || "";
    more.hidden = next >= total;
    if (!results.length) return grid.replaceChildren(el("li", { class: "wg-empty" }, say("gallery_empty")));
    const old = Object.fromEntries([...grid.children].map((item) => [item.dataset.result, item]));
    grid.replaceChildren(...results.map((result) => old[result.id] ?? tile(result)));
    mark();
  }

  function tile(result) {
    const picture = result.kind === "audio" ? wangp.icon("sound")
      : el("img", { src: wangp.url(`results/${result.id}/thumbnail.jpg`), alt: "", loading: "lazy" });
    const open = el("button", {
      type: "button", class: "wg-tile", title: result.prompt, "aria-label": result.prompt || result.name,
      onclick: () => { wangp.show(result); mark(); },
    }, picture, result.kind === "video" ? el("span", { class: "wg-kind" }, wangp.icon("play")) : null);
    if (result.kind === "video" && matchMedia("(hover: hover)").matches) playOnHover(open, result);
    return el("li", { "data-result": result.id }, open);
  }

  function playOnHover(open, result) {
    let video = null;
    open.addEventListener("mouseenter", () => {
      video = el("video", { src: wangp.fileUrl(result), loop: true, playsinline: true });
      video.muted = true;
      open.append(video);
      video.play().catch(() => {});
    });
    open.addEventListener("mouseleave", () => { video?.remove(); video = null; });
  }

  function mark() {
    const shown = wangp.shown()?.id;
    for (const item of grid.children) item.classList.toggle("chosen", item.dataset.result === String(shown));
  }
  wangp.markShown = mark;
})();
