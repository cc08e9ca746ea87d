// What queue, gallery and models share: asking the program, menus, dialogs, bytes.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say } = wangp;

  Object.assign(wangp.icons, {
    grip: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01", edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
    copy: "M9 9h11v11H9zM5 15V4h11", plus: "M12 5v14M5 12h14", longer: "M4 12h13M13 7l5 5-5 5M21 5v14",
    flag: "M6 21V4h11l-2 4 2 4H6", more: "M5 12h.01M5.5 12h.01M12 12h.01M12.500 12h.01M19 12h.01M18.500 12h.01", star: "M12 4l2.4 5 5.6.7-4.1 3.8 1.1 5.5-5-2.8-5 2.8 1.1-5.5L4 9.7 9.6 9z",
    compare: "M12 4v16M4 6h6v12H4zM14 6h6v12h-6z", search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12M15.5 15.5L20 20",
    restore: "M4 12a8 8 0 1 0 2.5-5.8M4 5v5h5", gone: "M4 5h16v14H4zM4 5l16 14", join: "M4 7h6v10H4zM14 7h6v10h-6zM10 12h4",
    wand: "M5 19L15 9M17 3v4M15 5h4M20 11v3M18.500 12.500h3M9 4v2M8 5h2", next: "M9 6l6 6-6 6", back: "M15 6l-6 6 6 6", check: "M5 12l5 5 9-10",
    frame: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M9 9h6v6H9z", chip: "M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4",
  });

  // The answer to a question or command as JSON; raises an Error whose message is fit for the user.
  async function asked(path, options) {
    let answer;
    try {
      answer = await fetch(wangp.url(path), options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error(say("lost"));
    }
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(told.text || told.detail || answer.statusText);
    return told;
  }
  wangp.get = (path, signal) => asked(path, { signal });
  wangp.post = (path, values = {}) =>
    asked(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values) });
  // The same, with the reason shown where it fails; the answer is null then.
  wangp.act = async (path, values) => {
    try {
      return await wangp.post(path, values);
    } catch (error) {
      wangp.toast(error.message, "error");
      return null;
    }
  };

  wangp.bytes = (count) => {
    if (count === null || count === undefined) return "";
    const units = ["B", "kB", "MB", "GB", "TB"];
    const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
    const value = count / 1000 ** power;
    return `${power === 0 ? value : value.toPrecision(3)} ${units[power]}`;
  };

  // A rough time: people plan with "about 12 min", not with seconds.
  wangp.about = (seconds) => {
    if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return `${(seconds / 3600).toFixed(1)} h`;
  };

  // A list of actions below a button: [{icon, label, run, kind, off}].
  wangp.menu = (anchor, items) => {
    document.querySelector(".wg-menu")?.remove();
    const list = el("div", { class: "wg-menu", role: "menu" });
    const close = (focus = true) => {
      list.remove();
      removeEventListener("pointerdown", outside, true);
      removeEventListener("scroll", gone, true);
      anchor.setAttribute("aria-expanded", "false");
      if (focus) anchor.focus();
    };
    const outside = (event) => { if (!list.contains(event.target)) close(false); };
    const gone = (event) => { if (!list.contains(event.target)) close(false); };
    for (const item of items.filter(Boolean)) {
      list.append(el("button", {
        type: "button", role: "menuitem", class: `wg-menu-item ${item.kind ?? ""}`, disabled: Boolean(item.off), title: item.hint,
        onclick: () => { close(); item.run(); },
      }, wangp.icon(item.icon), el("span", {}, item.label)));
    }
    list.addEventListener("keydown", (event) => {
      const all = [...list.querySelectorAll("button:not(:disabled)")];
      const place = all.indexOf(document.activeElement);
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) { event.preventDefault(); all[(place + step + all.length) % all.length]?.focus(); }
      if (event.key === "Escape" || event.key === "Tab") { event.preventDefault(); event.stopPropagation(); close(); }
    });
    (anchor.closest("dialog") ?? document.body).append(list);
    const at = anchor.getBoundingClientRect(), size = list.getBoundingClientRect();
    list.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
    list.style.top = `${at.bottom + size.height + 8 < innerHeight ? at.bottom + 4 : Math.max(8, at.top - size.height - 4)}px`;
    anchor.setAttribute("aria-expanded", "true");
    addEventListener("pointerdown", outside, true);
    addEventListener("scroll", gone, true);
    list.querySelector("button:not(:disabled)")?.focus();
  };

  // A dialog over the page; closes with Escape, the cross, or a click beside it.
  wangp.dialog = (title, ...content) => {
    const box = el("dialog", { class: "wg-dialog", "aria-label": title },
      el("div", { class: "wg-dialog-head" }, el("h2", {}, title),
        wangp.button("close", say("close"), () => box.close(), { bare: true })),
      el("div", { class: "wg-dialog-body" }, ...content));
    box.addEventListener("close", () => box.remove());
    box.addEventListener("pointerdown", (event) => { if (event.target === box) box.close(); });
    document.body.append(box);
    box.showModal();
    return box;
  };

  // Whether the user agrees; `action` is what the button that says yes is called.
  wangp.agree = (question, action, kind = "danger") => new Promise((settle) => {
    const yes = el("button", { type: "button", class: `wg-button solid ${kind}`, onclick: () => { settle(true); box.close(); } }, action);
    const no = el("button", { type: "button", class: "wg-button", onclick: () => box.close() }, say("cancel"));
    const box = wangp.dialog(action, el("p", { class: "wg-question" }, question), el("div", { class: "wg-dialog-foot" }, no, yes));
    box.classList.add("small");
    box.addEventListener("close", () => settle(false));
    yes.focus();
  });

  // A message with one thing to do about it; without `label` a plain one.
  wangp.offer = (text, label, run) => {
    wangp.toast(text);
    const toast = document.querySelector("#wangp-toasts .wg-toast:last-child");
    if (!label || !toast) return;
    toast.lastChild.before(el("button", { type: "button", class: "wg-button accent", onclick: () => { toast.remove(); run(); } }, label));
  };

  wangp.fileUrl = (result) => wangp.url(`results/${result.id}/${encodeURIComponent(result.name)}`);
  wangp.facts = (parts) => parts.filter(Boolean).join(" · ");
})();
