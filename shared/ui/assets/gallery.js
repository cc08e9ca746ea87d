// The latest results beside the form; all of them are in the gallery's tab (library.js).
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say } = wangp;
  let grid, all, head, results = [], total = 0, fetching = false, again = false;

  wangp.panel("gallery", (element) => {
    head = el("div", { class: "wg-head" }, el("h2", {}, say("latest")), el("span", { class: "wg-count" }));
    grid = el("ul", { class: "wg-gallery", "aria-label": say("latest") });
    all = wangp.button("next", say("all_results"), () => wangp.tab("gallery"));
    all.hidden = true;
    element.replaceChildren(head, grid, el("div", { class: "wg-more" }, all));
    refresh();
  });

  wangp.on("hello", () => refresh());
  wangp.on("output", (message) => refresh(message.task_id));
  wangp.on("gallery", () => refresh());

  // A new result of a task is put on the stage; what is shown there follows what becomes of it.
  async function refresh(task = null) {
    if (!grid) return;
    if (fetching) { again = task ?? true; return; }
    fetching = true;
    try {
      const page = await wangp.get("results");
      total = page.total;
      results = page.results;
      draw();
      const wanted = results.find((result) => result.task_id === task);
      const shown = wangp.shown();
      if (wanted) wangp.show(wanted, false);
      else if (!shown) { if (results.length) wangp.show(results[0], false); }
      else await follow(shown);
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

  async function follow(shown) {
    let now = results.find((result) => result.id === shown.id);
    if (!now) now = (await wangp.get(`results/known?ids=${shown.id}`)).results[0];
    if (!now || now.trashed) wangp.show(results[0] ?? null, false);
    else if (now.favourite !== shown.favourite || now.missing !== shown.missing) wangp.show(now, false);
    mark();
  }

  function draw() {
    head.querySelector(".wg-count").textContent = total || "";
    all.hidden = !total;
    if (!results.length) return grid.replaceChildren(el("li", { class: "wg-empty" }, say("gallery_empty")));
    const old = Object.fromEntries([...grid.children].map((item) => [item.dataset.key, item]));
    grid.replaceChildren(...results.map((result) => old[key(result)] ?? tile(result)));
    mark();
  }

  const key = (result) => `${result.id} ${result.favourite} ${result.missing}`;

  function tile(result) {
    const open = el("button", {
      type: "button", class: "wg-tile", title: result.prompt, "aria-label": result.prompt || result.name,
      onclick: () => { wangp.show(result); mark(); },
    }, wangp.thumbnail(result), ...wangp.badges(result));
    wangp.playOnHover(open, result);
    return el("li", { "data-result": result.id, "data-key": key(result) }, open);
  }

  function mark() {
    const shown = wangp.shown()?.id;
    for (const item of grid.children) item.classList.toggle("chosen", item.dataset.result === String(shown));
  }
})();
