// The page's own scripts share the object `wangp`. They draw the panels from the event stream; the form is Gradio's.
(() => {
  "use strict";
  const config = JSON.parse(document.getElementById("wangp-config").textContent);
  const listeners = {};
  const waiting = {};
  const triggers = {};

  const wangp = {
    texts: config.texts,
    settings: config.settings,
    language: config.language,
    languages: config.languages,
    options: config.options,
    model: null,
    token: windowToken(),
    showError: (text) => wangp.toast(text, "error"),
  };
  window.wangp = wangp;
  document.documentElement.lang = config.language;
  // Gradio's own words follow the browser's language; here they follow the page's.
  if (!navigator.language.startsWith(config.language)) {
    Object.defineProperty(navigator, "language", { value: config.language });
    Object.defineProperty(navigator, "languages", { value: [config.language] });
  }

  function windowToken() {
    // A duplicated browser tab copies sessionStorage; the name of the window tells the copy apart.
    let token = sessionStorage.getItem("wangp-window");
    if (!token || window.name !== token) {
      token = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36)).join("");
      sessionStorage.setItem("wangp-window", token);
      window.name = token;
    }
    return token;
  }

  // say("step", {step: 3, total: 20})
  wangp.say = (name, values = {}) =>
    (config.texts[name] ?? name).replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);

  // What a running task does, said in English by the program: "Loading model Starter".
  wangp.phase = (text) => {
    const known = Object.keys(config.phases).filter((one) => text.startsWith(one)).sort((one, other) => other.length - one.length)[0];
    return known ? config.phases[known] + text.slice(known.length) : text;
  };

  wangp.url = (path) => new URL("wangp/" + path, document.baseURI).href;

  wangp.on = (kind, listener) => (listeners[kind] ??= []).push(listener);
  wangp.emit = (kind, message) => (listeners[kind] ?? []).forEach((listener) => listener(message));

  // A panel's Gradio element calls mount() when it stands in the page; its draw function may come before or after.
  wangp.panel = (name, draw) => {
    waiting[name] = draw;
    start(name);
  };
  wangp.mount = (name, element, trigger) => {
    triggers[name] = trigger;
    element.dataset.panel = name;
    wangp.elements = { ...wangp.elements, [name]: element };
    start(name);
  };
  wangp.ask = (panel, event, values) => triggers[panel]?.(event, values);

  function start(name) {
    const element = wangp.elements?.[name];
    if (!element || !waiting[name] || element.dataset.drawn) return;
    element.dataset.drawn = "1";
    waiting[name](element);
  }

  // el("button", {class: "x", onclick: f}, "text", child)
  wangp.el = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name in element && typeof value === "boolean") element[name] = value;
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  };

  const ICONS = {
    up: "M12 19V6M6 11l6-6 6 6", down: "M12 5v13M6 13l6 6 6-6", close: "M6 6l12 12M18 6L6 18",
    retry: "M4 12a8 8 0 1 1 2.5 5.8M4 19v-5h5", pause: "M8 5v14M16 5v14", play: "M8 5l11 7-11 7z",
    stop: "M7 7h10v10H7z", download: "M12 4v11M7 11l5 5 5-5M5 20h14", trash: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
    reuse: "M4 7h11a5 5 0 0 1 0 10H9M8 3L4 7l4 4", image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4",
    file: "M7 3h7l4 4v14H7zM14 3v4h4", theme: "M12 4a8 8 0 1 0 8 8 6 6 0 0 1-8-8z", save: "M5 4h11l3 3v13H5zM8 4v5h7V4M8 20v-6h8v6",
    open: "M12 15V4M7 8l5-5 5 5M5 20h14", clear: "M5 5h14v14H5zM9 9l6 6M15 9l-6 6", film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9h4M4 15h4M16 9h4M16 15h4",
    sound: "M9 18V6l10-2v12M9 18a3 3 0 1 1-3-3 3 3 0 0 1 3 3zM19 16a3 3 0 1 1-3-3 3 3 0 0 1 3 3z",
    history: "M4 12a8 8 0 1 0 3-6.2M4 4v4h4M12 8v4l3 2", braces: "M9 4c-4 0-1 7-5 8 4 1 1 8 5 8M15 4c4 0 1 7 5 8-4 1-1 8-5 8", plus: "M12 5v14M5 12h14",
    camera: "M4 8h4l2-3h4l2 3h4v11H4zM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z", paste: "M8 5H5v16h14V5h-3M9 3h6v4H9z", grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
    cut: "M6 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM6 21a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8.5 8L20 19M8.5 16L20 5", brush: "M20 4L10 14M8 15c-3 0-3 3-5 5 4 0 6-1 6-4z",
    search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM16 16l5 5",
    dice: "M5 5h14v14H5zM9 9h.01M15 15h.01M12 12h.01M15 9h.01M9 15h.01",
  };
  wangp.icons = ICONS;
  wangp.icon = (name) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("class", "wg-icon");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ICONS[name] ?? "");
    svg.append(path);
    return svg;
  };
  // A button with a picture; `label` is its text (with `bare`, only its name for screen readers and its tooltip).
  wangp.button = (icon, label, onclick, { bare = false, hint = "", kind = "" } = {}) =>
    wangp.el("button", {
      type: "button", class: `wg-button ${bare ? "bare" : ""} ${kind}`, title: hint || label, "aria-label": label, onclick,
    }, wangp.icon(icon), bare ? null : wangp.el("span", {}, label));

  wangp.time = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
    return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
  };

  wangp.toast = (text, kind = "info") => {
    let box = document.getElementById("wangp-toasts");
    if (!box) {
      box = wangp.el("div", { id: "wangp-toasts", role: "status", "aria-live": "polite" });
      document.body.append(box);
    }
    const toast = wangp.el("div", { class: `wg-toast ${kind}` }, wangp.el("span", {}, text),
      wangp.button("close", wangp.say("close"), () => toast.remove(), { bare: true }));
    box.append(toast);
    while (box.children.length > 4) box.firstChild.remove();
    if (kind !== "error") setTimeout(() => toast.remove(), 7000);
    else setTimeout(() => toast.remove(), 20000);
  };

  wangp.save = (name, text) => {
    const link = wangp.el("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  // The tab of an address like .../#settings; back and forward lead through the tabs.
  // On a narrow screen Gradio keeps the last tabs in a menu, where they have their labels alone.
  wangp.tab = (id) => {
    const shown = document.querySelector(`#main_tabs [role=tab][data-tab-id="${id}"]`);
    const label = window.gradio_config?.components.find((one) => one.type === "tabitem" && one.props.id === id)?.props.label;
    const listed = [...document.querySelectorAll("#main_tabs .overflow-dropdown button")].find((one) => one.textContent.trim() === label);
    (shown ?? listed)?.click();
  };
  wangp.shownTab = () => document.querySelector("#main_tabs [role=tab][aria-selected=true]")?.dataset.tabId ??
    [...document.querySelectorAll("#main_tabs > [id^=tab_]")].find((one) => one.offsetParent)?.id.slice("tab_".length) ?? "generator";
  const tabAsked = () => location.hash.slice(1) || "generator";
  function followTabs() {
    if (followTabs.isOn) return;
    followTabs.isOn = true;
    const told = () => {
      const id = wangp.shownTab();
      if (id === followTabs.last || wangp.isPlacingTabs) return;
      followTabs.last = id;
      const list = document.querySelector("#main_tabs [role=tablist]");
      const chosen = list?.querySelector("[aria-selected=true]");
      if (chosen) list.scrollLeft = chosen.offsetLeft - (list.clientWidth - chosen.clientWidth) / 2;
      if (id !== tabAsked()) history.pushState(null, "", id === "generator" ? location.pathname + location.search : "#" + id);
      wangp.emit("tab", { id });
    };
    // Gradio may make the row of tabs anew, or later than this runs: the body is there always.
    new MutationObserver(told).observe(document.body, { subtree: true, attributes: true, attributeFilter: ["aria-selected"] });
    wangp.tab(tabAsked());
    // Gradio may not listen yet when its buttons first stand in the page.
    wangp.on("model", () => { if (!followTabs.last) wangp.tab(tabAsked()); });
  }
  addEventListener("popstate", () => wangp.tab(tabAsked()));

  wangp.useLanguage = (id) => {
    document.cookie = `wangp-language=${id};path=/;max-age=31536000;samesite=lax`;
    location.reload();
  };

  wangp.panel("bar", (element) => {
    const [next, name] = nextLanguage();
    const parts = [wangp.button("theme", wangp.say("theme"), () => {
      wangp.theme(wangp.theme() === "dark" ? "light" : "dark");
    }, { bare: true })];
    if (next) parts.unshift(wangp.el("button", {
      type: "button", class: "wg-button bare wg-language", title: wangp.say("language"), lang: next,
      onclick: () => wangp.useLanguage(next),
    }, name));
    element.replaceChildren(...parts);
    followTabs();
  });
  function nextLanguage() {
    const all = Object.entries(config.languages);
    const place = all.findIndex(([id]) => id === config.language);
    return all.length > 1 ? all[(place + 1) % all.length] : [];
  }

  wangp.theme = (wanted) => {
    const dark = wanted ?? localStorage.getItem("wangp-theme") ?? { light: "light", dark: "dark" }[config.options.UI_theme] ??
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    if (wanted) localStorage.setItem("wangp-theme", wanted);
    document.documentElement.classList.toggle("dark", dark === "dark");
    document.body?.classList.toggle("dark", dark === "dark");
    return dark;
  };
  wangp.theme();
  document.addEventListener("DOMContentLoaded", () => wangp.theme());
})();
