// The gallery's tab: all results of the history in a grid that holds only the tiles in sight.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;
  const PAGE = 60, GAP = 8, LEAST_TILE = 132, RATIO = 3 / 4;
  const KEEP = "wangp-gallery";
  const usual = { words: "", kind: "", model: "", since: "", until: "", favourites: false, trash: false };
  const filter = { ...usual, ...JSON.parse(sessionStorage.getItem(KEEP) ?? "{}") };
  const pages = new Map(), cells = new Map(), picked = new Map(), loading = new Map();
  let root, bar, scroller, canvas, details, total = 0, version = 0, facets = null, columns = 1, tile = 0;
  let shown = null, stale = false, settle = 0, comparing = null;

  wangp.panel("library", (element) => {
    canvas = el("div", { class: "wg-canvas", role: "list", "aria-label": say("gallery") });
    scroller = el("div", { class: "wg-scroller" }, canvas);
    details = el("aside", { class: "wg-details", "aria-label": say("details") });
    bar = el("div", { class: "wg-bar-top" });
    root = el("div", { class: "wg-library" }, bar, el("div", { class: "wg-library-body" }, scroller, details));
    element.replaceChildren(root);
    scroller.addEventListener("scroll", onScroll, { passive: true });
    canvas.addEventListener("keydown", onKey);
    new ResizeObserver(measure).observe(scroller);
    drawBar();
    drawDetails();
    reload();
  });

  for (const kind of ["hello", "output", "gallery"]) wangp.on(kind, () => (isSeen() ? reload(true) : (stale = true)));
  wangp.on("tab", ({ id }) => { if (id === "gallery" && stale) reload(true); });
  const isSeen = () => root && root.offsetParent !== null;

  // --- what is asked for

  function question() {
    const asked = new URLSearchParams();
    if (filter.words.trim()) asked.set("words", filter.words.trim());
    for (const name of ["kind", "model"]) if (filter[name]) asked.set(name, filter[name]);
    for (const name of ["favourites", "trash"]) if (filter[name]) asked.set(name, "true");
    if (filter.since) asked.set("since", new Date(filter.since + "T00:00:00").getTime() / 1000);
    if (filter.until) {
      const day = new Date(filter.until + "T00:00:00");
      day.setDate(day.getDate() + 1);
      asked.set("until", day.getTime() / 1000);
    }
    return asked;
  }

  function change(values) {
    Object.assign(filter, values);
    sessionStorage.setItem(KEEP, JSON.stringify(filter));
    picked.clear();
    scroller.scrollTop = 0;
    drawBar();
    reload();
  }

  // Reads what is in sight anew; with `quiet` the old tiles stay until the answer is there.
  async function reload(quiet = false) {
    if (!scroller) return;
    stale = false;
    version += 1;
    loading.clear();
    if (!quiet) pages.clear();
    facets = null;
    askFacets();
    const asked = [...new Set([0, ...pagesInSight()])];
    const now = version;
    try {
      const answers = await Promise.all(asked.map(ask));
      if (now !== version) return;
      pages.clear();
      asked.forEach((number, index) => pages.set(number, answers[index].results));
      total = answers[0].total;
    } catch (error) {
      if (now === version) wangp.toast(error.message, "error");
      return;
    }
    await refreshPicked();
    measure();
    drawFound();
    followShown();
  }

  const ask = (number) => {
    const asked = question();
    asked.set("offset", number * PAGE);
    asked.set("limit", PAGE);
    return wangp.get("results?" + asked);
  };

  async function askFacets() {
    const now = version;
    const told = await wangp.get("results/facets").catch(() => null);
    if (told && now === version) { facets = told; drawBar(); }
  }

  async function load(number) {
    if (pages.has(number) || loading.get(number) === version) return;
    const now = version;
    loading.set(number, now);
    const answer = await ask(number).catch(() => null);
    if (!answer || now !== version) return loading.delete(number);
    pages.set(number, answer.results);
    total = answer.total;
    draw();
  }

  const resultAt = (index) => pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  const indexOf = (id) => {
    for (const [number, results] of pages) {
      const place = results.findIndex((result) => result.id === id);
      if (place >= 0) return number * PAGE + place;
    }
    return -1;
  };

  // --- the grid

  function measure() {
    const width = canvas.clientWidth;
    if (!width) return;
    columns = Math.max(2, Math.floor((width + GAP) / (LEAST_TILE + GAP)));
    tile = (width - GAP * (columns - 1)) / columns;
    canvas.style.height = `${Math.max(0, Math.ceil(total / columns) * (tile * RATIO + GAP) - GAP)}px`;
    draw();
  }

  function range(margin) {
    const height = tile * RATIO + GAP;
    if (!height || !total) return [0, -1];
    const first = Math.max(0, Math.floor(scroller.scrollTop / height) - margin) * columns;
    const last = (Math.ceil((scroller.scrollTop + scroller.clientHeight) / height) + margin) * columns - 1;
    return [first, Math.min(total - 1, last)];
  }
  const pagesInSight = () => {
    const [first, last] = range(2);
    const numbers = [];
    for (let number = Math.floor(first / PAGE); number <= Math.floor(Math.max(0, last) / PAGE); number += 1) numbers.push(number);
    return numbers;
  };

  // While the bar is dragged through thousands only places are drawn; what is in them is asked for when it rests.
  function onScroll() {
    draw();
    clearTimeout(settle);
    settle = setTimeout(() => { pagesInSight().forEach(load); draw(); }, 90);
  }

  function draw() {
    if (!canvas) return;
    const [first, last] = range(2);
    const wanted = new Set();
    for (let index = first; index <= last; index += 1) {
      const result = resultAt(index);
      const name = result ? `${result.id} ${result.favourite} ${result.missing}` : `place ${index}`;
      wanted.add(name);
      let cell = cells.get(name);
      if (!cell) {
        cell = result ? cellOf(result) : el("div", { class: "wg-cell" }, el("span", { class: "wg-tile" }));
        cells.set(name, cell);
        canvas.append(cell);
      }
      place(cell, index);
      if (result) {
        cell.classList.toggle("picked", picked.has(result.id));
        cell.classList.toggle("chosen", shown?.id === result.id);
      }
    }
    for (const [name, cell] of cells) if (!wanted.has(name)) { cell.remove(); cells.delete(name); }
    for (const number of pagesInSight()) if (!pages.has(number) && !loading.has(number) && settle === 0) load(number);
    if (!total && pages.size) showBlank(); else canvas.querySelector(".wg-blank")?.remove();
  }

  function place(cell, index) {
    const row = Math.floor(index / columns), column = index % columns;
    cell.style.transform = `translate(${column * (tile + GAP)}px, ${row * (tile * RATIO + GAP)}px)`;
    cell.style.width = `${tile}px`;
    cell.style.height = `${tile * RATIO}px`;
    cell.setAttribute("aria-setsize", total);
    cell.setAttribute("aria-posinset", index + 1);
  }

  function cellOf(result) {
    const open = el("button", {
      type: "button", class: "wg-tile", title: result.prompt, "aria-label": result.prompt || result.name,
      onclick: (event) => (event.ctrlKey || event.metaKey || event.shiftKey ? pick(result, event.shiftKey) : show(result)),
      onfocus: () => { if (open.matches(":focus-visible")) show(result, false); },
    }, wangp.thumbnail(result), ...wangp.badges(result));
    wangp.playOnHover(open, result);
    const check = el("button", {
      type: "button", class: "wg-pick", "aria-label": say("pick"), "aria-pressed": String(picked.has(result.id)), tabindex: "-1",
      onclick: (event) => pick(result, event.shiftKey),
    }, wangp.icon("check"));
    return el("div", { class: "wg-cell", role: "listitem", "data-result": result.id }, open, check);
  }

  function showBlank() {
    if (canvas.querySelector(".wg-blank")) return;
    const isFiltered = JSON.stringify({ ...filter, trash: false }) !== JSON.stringify(usual);
    const text = filter.trash ? say("trash_empty") : isFiltered ? say("nothing_found") : say("gallery_empty");
    canvas.append(el("div", { class: "wg-blank" }, el("div", {}, el("p", {}, text),
      isFiltered ? button("clear", say("clear_filters"), () => change({ ...usual, trash: filter.trash })) : null)));
  }

  // --- keys: arrows walk, Space picks, F is a favourite, Delete is the trash

  function onKey(event) {
    const id = Number(event.target.closest("[data-result]")?.dataset.result);
    const index = indexOf(id);
    if (index < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const result = resultAt(index);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -index, End: total - 1 - index }[event.key];
    if (step !== undefined) { event.preventDefault(); return walkTo(index + step); }
    if (event.key === " ") { event.preventDefault(); pick(result, false); }
    if (event.key === "f") wangp.favourite([result], !result.favourite);
    if (event.key === "Delete") remove(picked.size ? [...picked.values()] : [result], index);
  }

  async function walkTo(index) {
    if (index < 0 || index >= total) return;
    const top = Math.floor(index / columns) * (tile * RATIO + GAP), height = tile * RATIO + GAP;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    if (top + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + height - scroller.clientHeight + 12;
    await load(Math.floor(index / PAGE));
    draw();
    const result = resultAt(index);
    if (!result) return;
    canvas.querySelector(`[data-result="${result.id}"] .wg-tile`)?.focus();
    show(result, false);
  }

  async function remove(results, index) {
    await (filter.trash ? wangp.destroy(results) : wangp.trash(results));
    picked.clear();
    drawBar();
    setTimeout(() => walkTo(Math.min(index, total - 1)), 400);
  }

  // --- picking several

  let lastPicked = null;
  function pick(result, isRange) {
    const from = isRange && lastPicked !== null ? indexOf(lastPicked) : -1, to = indexOf(result.id);
    if (from >= 0) {
      for (let index = Math.min(from, to); index <= Math.max(from, to); index += 1) {
        const one = resultAt(index);
        if (one) picked.set(one.id, one);
      }
    } else if (picked.has(result.id)) picked.delete(result.id);
    else picked.set(result.id, result);
    lastPicked = result.id;
    drawBar();
    draw();
  }

  async function refreshPicked() {
    if (!picked.size) return;
    const told = await wangp.get("results/known?ids=" + [...picked.keys()].slice(0, 200)).catch(() => null);
    const kept = new Map((told?.results ?? []).filter((one) => Boolean(one.trashed) === filter.trash).map((one) => [one.id, one]));
    for (const id of [...picked.keys()]) if (kept.has(id)) picked.set(id, kept.get(id)); else picked.delete(id);
    drawBar();
  }

  function pickedBar() {
    const results = [...picked.values()], clips = results.every((result) => result.kind === "video" && !result.missing);
    const done = (act) => async () => { await act(); picked.clear(); drawBar(); draw(); };
    return el("div", { class: "wg-picked-bar", role: "toolbar" },
      el("strong", {}, say("picked", { count: results.length })),
      results.length === 2 && !filter.trash ? button("compare", say("compare"), () => wangp.compare(results[0], results[1])) : null,
      results.length > 1 && clips && !filter.trash ? button("join", say("join"), done(() => wangp.joinClips(results)), { hint: say("join_hint") }) : null,
      filter.trash ? button("restore", say("restore"), done(() => wangp.act("results/restore", { ids: results.map((one) => one.id) })))
        : button("star", say("favour"), done(() => wangp.favourite(results, true)), { bare: true }),
      filter.trash ? button("trash", say("destroy"), () => wangp.destroy(results), { kind: "danger" })
        : button("trash", say("delete"), done(() => wangp.trash(results)), { kind: "danger", hint: say("delete_hint") }),
      button("close", say("pick_none"), done(() => {}), { bare: true }));
  }

  // --- the bar above

  let words = null;
  function drawBar() {
    if (!bar) return;
    words ??= el("input", {
      type: "search", class: "wg-input", placeholder: say("search_prompts"), "aria-label": say("search_prompts"), value: filter.words, id: "gallery_search",
    });
    if (!words.onsearch) words.oninput = words.onsearch = () => {
      clearTimeout(words.timer);
      words.timer = setTimeout(() => { if (words.value !== filter.words) change({ words: words.value }); }, 180);
    };
    if (document.activeElement !== words) words.value = filter.words;
    root.classList.toggle("wg-picking", picked.size > 0);
    const focus = document.activeElement?.closest?.(".wg-bar-top") ? document.activeElement.getAttribute("aria-label") : null;
    const isSearching = document.activeElement === words;
    bar.replaceChildren(...[
      el("label", { class: "wg-search" }, wangp.icon("search"), words),
      el("div", { class: "wg-library-filters" }, ...[segments(), modelSelect(), dateSelect(),
        toggle("star", "favourites_only", "favourites"),
        toggle("trash", "trash", "trash"),
        filter.trash && facets?.trash.count ? button("trash", say("empty_trash"), emptyTrash, { kind: "danger" }) : null,
      ].filter(Boolean)),
      el("span", { class: "wg-result-count", role: "status" }),
      picked.size ? pickedBar() : null,
    ].filter(Boolean));
    if (isSearching) words.focus();
    else if (focus) bar.querySelector(`[aria-label="${CSS.escape(focus)}"]`)?.focus();
    drawFound();
  }

  function drawFound() {
    const place = bar?.querySelector(".wg-result-count");
    const size = filter.trash && facets?.trash.bytes ? " · " + wangp.bytes(facets.trash.bytes) : "";
    if (place) place.textContent = pages.size ? say("found", { count: total.toLocaleString() }) + size : "";
  }

  function segments() {
    const kinds = [["", "kind_all"], ["video", "kind_clips"], ["image", "kind_pictures"], ["audio", "kind_sounds"]];
    return el("div", { class: "wg-segments", role: "group", "aria-label": say("kind") }, ...kinds.map(([kind, name]) =>
      el("button", { type: "button", "aria-pressed": String(filter.kind === kind), "aria-label": say(name), onclick: () => change({ kind }) }, say(name))));
  }

  function modelSelect() {
    const known = facets?.models ?? [];
    const options = [el("option", { value: "" }, say("all_models")), ...known.map((model) => el("option", { value: model.id }, `${model.name} (${model.count})`))];
    if (filter.model && !known.some((model) => model.id === filter.model)) options.push(el("option", { value: filter.model }, filter.model));
    const select = el("select", { class: "wg-input", "aria-label": say("model_filter"), id: "gallery_model", onchange: () => change({ model: select.value }) }, ...options);
    select.value = filter.model;
    return select;
  }

  function dateSelect() {
    const day = (ago) => { const date = new Date(); date.setDate(date.getDate() - ago); return date.toLocaleDateString("sv"); };
    const spans = [["", "any_date", "", ""], ["today", "today", day(0), ""], ["week", "week", day(6), ""], ["month", "month", day(29), ""]];
    const current = spans.find(([, , since, until]) => since === filter.since && until === filter.until)?.[0] ?? "own";
    const select = el("select", { class: "wg-input", "aria-label": say("date"), id: "gallery_date" },
      ...spans.map(([id, name]) => el("option", { value: id }, say(name))), el("option", { value: "own" }, say("own_dates")));
    select.value = current;
    select.onchange = () => {
      const span = spans.find(([id]) => id === select.value);
      change(span ? { since: span[2], until: span[3] } : { since: filter.since || day(6), until: day(0) });
    };
    if (current !== "own") return select;
    const date = (name, label) => {
      const input = el("input", { type: "date", class: "wg-input", "aria-label": say(label), value: filter[name], onchange: () => change({ [name]: input.value }) });
      return input;
    };
    return el("span", { class: "wg-tools" }, select, date("since", "from_date"), date("until", "to_date"));
  }

  function toggle(icon, text, name) {
    const label = name === "trash" && facets?.trash.count ? `${say(text)} (${facets.trash.count})` : say(text);
    const made = button(icon, label, () => change({ [name]: !filter[name] }), { kind: filter[name] ? "accent" : "" });
    made.setAttribute("aria-pressed", String(filter[name]));
    made.setAttribute("aria-label", say(text));
    return made;
  }

  async function emptyTrash() {
    const question = say("empty_trash_question", { count: facets.trash.count, size: wangp.bytes(facets.trash.bytes) });
    if (await wangp.agree(question, say("empty_trash"))) wangp.act("results/empty_trash");
  }

  // --- one result beside the grid

  async function show(result, open = true) {
    if (comparing && comparing.id !== result.id) {
      const first = comparing;
      comparing = null;
      wangp.compare(first, result);
      return drawDetails();
    }
    const isSame = shown?.id === result.id;
    shown = result;
    for (const cell of canvas.children) cell.classList.toggle("chosen", cell.dataset.result === String(result.id));
    if (open) details.classList.add("open");
    if (isSame && details.querySelector(".wg-view")) return;
    const told = await wangp.get(`results/${result.id}/details`).catch(() => null);
    if (shown?.id !== result.id) return;
    shown = told ?? result;
    drawDetails();
  }

  // What is shown is brought up to date; the player goes on where only a mark has changed.
  async function followShown() {
    if (!shown) return;
    const told = await wangp.get(`results/known?ids=${shown.id}`).catch(() => null);
    const now = told?.results[0];
    if (!now || Boolean(now.trashed) !== filter.trash) {
      shown = null;
      details.classList.remove("open");
      return drawDetails();
    }
    if (now.favourite !== shown.favourite || now.missing !== shown.missing) {
      Object.assign(shown, { favourite: now.favourite, missing: now.missing });
      details.querySelector(".wg-actions")?.replaceWith(wangp.resultActions(shown));
    }
  }

  function drawDetails() {
    if (comparing) {
      details.replaceChildren(el("div", { class: "wg-blank" }, el("div", {}, el("p", {}, say("compare_choose", { name: comparing.name })),
        button("close", say("cancel"), () => { comparing = null; drawDetails(); }))));
      return;
    }
    if (!shown) return details.replaceChildren(el("div", { class: "wg-blank" }, say("gallery_hint")));
    const walk = (icon, name, step) => button(icon, say(name), () => walkTo(indexOf(shown.id) + step), { bare: true });
    details.replaceChildren(
      el("div", { class: "wg-details-top" }, el("p", { class: "wg-facts", title: `${shown.folder ?? ""}/${shown.name}` }, shown.name),
        walk("back", "previous", -1), walk("next", "next", 1),
        button("close", say("close"), () => { details.classList.remove("open"); shown = null; drawDetails(); draw(); }, { bare: true })),
      el("div", { class: "wg-view" }, wangp.player(shown)),
      el("p", { class: "wg-prompt" }, shown.prompt || say("no_prompt")),
      el("p", { class: "wg-facts" }, wangp.resultFacts(shown), " · ", new Date(shown.created * 1000).toLocaleString(document.documentElement.lang)),
      wangp.resultActions(shown),
      el("details", { class: "wg-info" }, el("summary", {}, say("all_settings")), wangp.settingsTable(shown.settings ?? {})));
  }

  wangp.settingsTable = (settings) => el("table", { class: "wg-settings-table" }, el("tbody", {},
    ...Object.entries(settings).filter(([, value]) => value !== null && value !== "").map(([name, value]) =>
      el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, typeof value === "object" ? JSON.stringify(value) : String(value))))));

  // A result is shown in the gallery, whatever is filtered there now.
  wangp.openResult = async (id) => {
    wangp.tab("gallery");
    const told = await wangp.get(`results/known?ids=${id}`).catch(() => null);
    if (told?.results[0]) setTimeout(() => scroller && show(told.results[0]), 150);
  };
  wangp.compareWith = (result) => {
    wangp.tab("gallery");
    setTimeout(() => { comparing = result; drawDetails(); }, scroller ? 0 : 400);
  };
})();
