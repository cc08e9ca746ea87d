// What the browser does for the form: keeps its values, shows what applies, and carries keys and dropped files.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { say } = wangp;
  const KEEP = "wangp-form", LAST = "wangp-last-form";
  let values = {}, keepTimer = 0;

  // Gradio calls this at load: what this window held, else what any window of this browser held last.
  wangp.remembered = () => {
    const kept = sessionStorage.getItem(KEEP) ?? localStorage.getItem(LAST) ?? "";
    return [JSON.stringify({ token: wangp.token, form: kept ? JSON.parse(kept) : null })];
  };

  // Gradio calls this at every change of a control.
  wangp.changed = (name, value) => {
    if (same(values[name], value)) return;
    values[name] = value;
    keep();
    soon();
  };
  const same = (left, right) => left === right || JSON.stringify(left ?? null) === JSON.stringify(right ?? null);

  function keep() {
    clearTimeout(keepTimer);
    if (wangp.model) keepTimer = setTimeout(keepNow, 150);
  }
  function keepNow() {
    const text = JSON.stringify({ model: wangp.model.model_type, extra: wangp.model.extra, values });
    try {
      sessionStorage.setItem(KEEP, text);
      localStorage.setItem(LAST, text);
    } catch (error) { console.warn("The form could not be kept", error); }
  }
  addEventListener("pagehide", () => wangp.model && keepNow());

  // The facts of the chosen model arrive here, at load and whenever the form is filled anew.
  wangp.setModel = (facts) => {
    if (!facts) return;
    if (!wangp.model) {
      new MutationObserver(soon).observe(document.getElementById("wangp-form"), { childList: true, subtree: true });
      const side = document.getElementById("wangp-side");
      new ResizeObserver(() => side.style.setProperty("--side-height", `${side.offsetHeight}px`)).observe(side);
    }
    const told = typeof facts === "string" ? JSON.parse(facts) : facts;
    wangp.model = { ...wangp.model, ...told };
    wangp.emit("model", wangp.model);
    if (told.values) {
      // Files just shown are told by their own change, with the address that the page has for them.
      const files = Object.entries(values).filter(([name, value]) => typeof value === "object" && told.values[name]);
      values = { ...told.values, ...Object.fromEntries(files) };
    }
    keep();
    apply();
  };

  let applying = 0;
  function soon() {
    cancelAnimationFrame(applying);
    applying = requestAnimationFrame(apply);
  }

  wangp.saveExported = (text) => {
    if (!text) return;
    const { name, settings } = JSON.parse(text);
    wangp.save(name, JSON.stringify(settings, null, 2));
  };

  // What has to be changed before a task can start, beside the buttons.
  wangp.showProblems = (text) => {
    const problems = text ? JSON.parse(text) : [];
    let box = document.getElementById("problems");
    if (!box) {
      box = wangp.el("div", { id: "problems", class: "wg-problems", role: "alert" });
      document.getElementById("wangp-buttons")?.after(box);
    }
    box.hidden = !problems.length;
    box.replaceChildren(...(problems.length
      ? [wangp.el("strong", {}, say("check")), wangp.el("ul", {}, ...problems.map((problem) => wangp.el("li", {}, problem)))] : []));
    if (problems.length) box.scrollIntoView({ behavior: "smooth", block: "nearest" });
    for (const name of wangp.settings) document.getElementById(name)?.classList.remove("wg-wrong");
    for (const problem of problems) document.getElementById(problem.split(":")[0])?.classList.add("wg-wrong");
  };

  const asks = {
    set: (found) => Boolean(Array.isArray(found) ? found.length : found),
    equals: (found, value) => found === value,
    at_least: (found, value) => typeof found === "number" && found >= value,
    has_letter: (found, value) => [...(value ?? "")].some((letter) => (found ?? "").includes(letter)),
  };
  function holds(rule) {
    if (!rule) return true;
    const [relation, ...rest] = rule;
    if (relation === "and") return rest.every(holds);
    if (relation === "or") return rest.some(holds);
    if (relation === "not") return !holds(rest[0]);
    const [key, value, fallback] = rest;
    return asks[relation](flag(key) ?? fallback, value);
  }
  // The letters of image_prompt_type follow from the media given, as when the task is sent.
  function flag(key) {
    if (key !== "image_prompt_type") return values[key] ?? undefined;
    return (values.image_start ? "S" : "") + (values.image_end ? "E" : "") + (values.video_source ? "V" : "");
  }

  function apply() {
    if (!wangp.model) return;
    const off = new Set();
    for (const [name, rule] of Object.entries(wangp.model.rules)) {
      if (!holds(rule)) off.add(name);
      document.getElementById(name)?.classList.toggle("wg-off", off.has(name));
    }
    // Gradio puts the controls of a closed group into the page when it is opened, so groups are counted by name.
    for (const [group, names] of Object.entries(wangp.model.groups)) {
      const box = document.getElementById("group_" + group);
      if (!box) continue;
      box.classList.toggle("wg-off", names.every((name) => off.has(name)));
      const changed = names.filter((name) => !off.has(name) && isChanged(name)).length;
      const label = box.querySelector(".label-wrap > span:first-child");
      if (label) label.dataset.changed = changed ? say("changed", { count: changed }) : "";
    }
    for (const name of wangp.settings) markChanged(name);
    for (const setting of document.querySelectorAll(".wg-main .wg-setting")) {
      setting.title = setting.querySelector(".info-text")?.textContent ?? "";
    }
    showSeconds();
    addTips();
    wangp.emit("form", values);
  }

  const TIPS = {
    generate: "tip_generate", add_to_queue: "tip_add", import_settings: "tip_import", export_settings: "tip_export",
    keep_preset: "tip_preset", save_default: "tip_default", reset: "tip_reset",
  };
  function addTips() {
    for (const [id, tip] of Object.entries(TIPS)) {
      const button = document.getElementById(id);
      if (button && !button.title) button.title = say(tip);
    }
    const seed = document.getElementById("seed");
    if (!seed || seed.querySelector(".wg-dice")) return;
    const input = seed.querySelector("input");
    const dice = wangp.button("dice", say("random_seed"), (event) => {
      event.preventDefault();
      input.value = "-1";
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }, { bare: true, kind: "wg-dice" });
    input?.after(dice);
  }

  wangp.value = (name) => values[name];
  wangp.changedNames = () => Object.keys(wangp.model?.defaults ?? {}).filter(isChanged);

  // A changed setting carries a small arrow beside its name that puts it back.
  function markChanged(name) {
    const box = document.getElementById(name);
    if (!box || name === "prompt") return;
    const changed = isChanged(name);
    box.classList.toggle("wg-changed", changed);
    let back = box.querySelector(".wg-put-back");
    if (!changed || back) return changed ? undefined : back?.remove();
    back = wangp.button("retry", say("put_back", { name: wangp.model.labels[name] }), (event) => {
      event.preventDefault();
      wangp.putBack([name]);
    }, { bare: true, kind: "wg-put-back" });
    (box.querySelector("[data-testid='block-info']") ?? box.querySelector("label") ?? box).append(back);
  }

  function isChanged(name) {
    if (!(name in wangp.model.defaults) || !(name in values)) return false;
    const [value, usual] = [values[name], wangp.model.defaults[name]];
    return JSON.stringify(value ?? "") !== JSON.stringify(usual ?? "") && String(value ?? "") !== String(usual ?? "");
  }

  function showSeconds() {
    const box = document.getElementById("video_length");
    if (!box || !wangp.model.fps) return;
    let place = box.querySelector(".wg-seconds");
    if (!place) {
      place = wangp.el("span", { class: "wg-seconds", "aria-live": "polite" });
      (box.querySelector("[data-testid='block-info']") ?? box).append(place);
    }
    const fps = Number(values.force_fps) || wangp.model.fps;
    const seconds = Math.round((Number(values.video_length) / fps) * 10) / 10;
    const text = Number.isFinite(seconds) ? say("seconds", { seconds, fps }) : "";
    // Writing the same text again would wake the observer below, which calls this, for ever.
    if (place.textContent !== text) place.textContent = text;
  }

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) document.getElementById("find_model")?.click();
    }
    if (event.altKey && /^[1-9]$/.test(event.key)) {
      document.querySelectorAll("#main_tabs > .tab-wrapper [role=tab]")[Number(event.key) - 1]?.click();
    }
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const button = document.getElementById(document.body.classList.contains("wg-editing") ? "put_task_back" : "generate");
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    // The prompt reaches Gradio's store with its input event, one tick later at most.
    setTimeout(() => button.click(), 30);
  }, true);

  // A file dropped anywhere but on a field of its own gives its settings back.
  let overlay = null, depth = 0;
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const ownField = (target) => target?.closest?.(".wg-media, .upload-container, [data-testid='image'], #import_settings");
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    overlay ??= wangp.el("div", { class: "wg-drop" }, wangp.el("p", {}, say("drop_here")));
    if (depth === 1) document.body.append(overlay);
  });
  addEventListener("dragleave", (event) => { if (hasFiles(event) && --depth <= 0) endDrag(); });
  addEventListener("dragover", (event) => { if (hasFiles(event) && !ownField(event.target)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    endDrag();
    if (!hasFiles(event) || ownField(event.target)) return;
    event.preventDefault();
    const file = event.dataTransfer.files[0];
    if (wangp.shownTab() === "generator") wangp.importFile(file);
    else wangp.inspectFile(file);
  }, false);
  function endDrag() { depth = 0; overlay?.remove(); }

  wangp.chooseFile = () => document.getElementById("import_settings")?.click();
  wangp.importFile = async (file) => {
    const answer = await wangp.upload(file);
    wangp.ask("stage", "import_file", { path: answer.path, name: file.name, token: wangp.token });
  };
})();
