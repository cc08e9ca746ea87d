// One result, wherever it is shown: its player, its tile, and what can be done with it.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;

  // Settings that a result can be used for: [kind, setting, text, frame of a clip: its last or the one shown].
  const USES = [
    ["image", "image_start", "as_start"], ["image", "image_end", "as_end"], ["image", "image_refs", "as_reference"],
    ["image", "image_guide", "as_control"], ["video", "image_start", "last_as_start", "last"],
    ["video", "image_start", "shown_as_start", "shown"], ["video", "image_end", "shown_as_end", "shown"],
    ["video", "image_refs", "shown_as_reference", "shown"], ["video", "video_source", "as_source"],
    ["video", "video_guide", "as_control"], ["audio", "audio_guide", "as_sound"], ["video", "audio_guide", "sound_as_sound"],
    ["audio", "audio_source", "as_soundtrack"],
  ];
  const ICONS = { image: "image", video: "film", audio: "sound" };
  let finishing = null;

  wangp.player = (result) => {
    if (result.missing) {
      return el("div", { class: "wg-nothing" }, wangp.icon("gone"), el("p", {}, say("file_missing")), el("small", {}, say("file_missing_hint")));
    }
    const source = wangp.fileUrl(result);
    if (result.kind === "image") return el("img", { src: source, alt: result.prompt || result.name, "data-result": result.id });
    if (result.kind === "audio") return el("audio", { src: source, controls: true, "aria-label": result.name });
    const video = el("video", {
      src: source, controls: true, loop: true, playsinline: true, "aria-label": result.prompt || result.name, "data-result": result.id,
    });
    video.muted = true;
    video.autoplay = true;
    return video;
  };

  // Seconds into the clip at which it is shown now.
  const shownTime = (result) =>
    [...document.querySelectorAll(`video[data-result="${result.id}"]`)].find((video) => video.offsetParent)?.currentTime ?? 0;

  wangp.ask_stage = (event, result, values = {}) => {
    wangp.ask("stage", event, { id: result.id, token: wangp.token, ...values });
    wangp.tab("generator");
  };

  function useMenu(anchor, result) {
    const known = new Set(Object.values(wangp.model?.groups ?? {}).flat());
    const items = USES.filter(([kind, name]) => kind === result.kind && known.has(name)).map(([kind, name, text, frame]) => ({
      icon: frame ? "frame" : ICONS[kind], label: say(text),
      run: () => wangp.ask_stage("use_as", result, { setting: name, ...(frame === "shown" ? { time: shownTime(result) } : {}) }),
    }));
    wangp.menu(anchor, items.length ? items : [{ icon: "close", label: say("nothing_to_use_for"), off: true }]);
  }

  wangp.favourite = (results, value) => wangp.act("results/favourite", { ids: results.map((result) => result.id), value });

  wangp.trash = async (results) => {
    const ids = results.map((result) => result.id);
    if (!(await wangp.act("results/trash", { ids }))) return;
    const kept = results.filter((result) => !result.missing).map((result) => result.id);
    const text = results.length === 1 ? say("trashed_one", { name: results[0].name }) : say("trashed_many", { count: results.length });
    wangp.offer(text, kept.length ? say("undo") : "", () => wangp.act("results/restore", { ids: kept }));
  };

  wangp.destroy = async (results) => {
    const question = results.length === 1 ? say("destroy_one", { name: results[0].name }) : say("destroy_many", { count: results.length });
    if (await wangp.agree(question, say("destroy"))) wangp.act("results/destroy", { ids: results.map((result) => result.id) });
  };

  wangp.joinClips = async (results) => {
    wangp.toast(say("joining", { count: results.length }));
    const made = await wangp.act("results/join", { ids: results.map((result) => result.id) });
    if (made) { wangp.toast(say("joined")); wangp.openResult?.(made.id); }
  };

  async function saveFrame(result) {
    const made = await wangp.act("results/frame", { id: result.id, time: shownTime(result) });
    if (made) wangp.offer(say("frame_saved"), say("show_it"), () => wangp.openResult?.(made.id));
  }

  // Enlarging, smoother motion, film grain: a task of its own over the finished file.
  async function finish(result) {
    finishing ??= (await wangp.get("results/facets")).finishing;
    const chosen = {};
    const fields = Object.entries(finishing).map(([name, what]) => {
      const change = (event) => { chosen[name] = what.choices ? event.target.value : Number(event.target.value); };
      const control = what.choices
        ? el("select", { class: "wg-input", onchange: change }, ...what.choices.map(([label, value]) => el("option", { value }, label)))
        : el("input", { class: "wg-range", type: "range", min: what.minimum, max: what.maximum, step: what.step, value: what.default, oninput: change });
      return el("label", { class: "wg-field", title: what.help }, el("span", {}, what.label), control);
    });
    const start = button("play", say("start"), async () => {
      const values = { id: result.id, ...chosen, client_id: `page-${wangp.token}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(16)}` };
      const made = await wangp.act("results/finish", values);
      if (made) { box.close(); wangp.toast(say("finish_queued", { id: made.task })); }
    }, { kind: "solid accent" });
    const box = wangp.dialog(say("finish"), el("p", { class: "wg-question" }, say("finish_hint")), ...fields,
      el("div", { class: "wg-dialog-foot" }, start));
    box.classList.add("small");
  }

  // The buttons below a result.
  wangp.resultActions = (result) => {
    if (result.trashed) {
      return el("div", { class: "wg-actions" },
        button("restore", say("restore"), () => wangp.act("results/restore", { ids: [result.id] }), { kind: "accent" }),
        button("reuse", say("use_settings"), () => wangp.ask_stage("use_settings", result)),
        button("trash", say("destroy"), () => wangp.destroy([result]), { kind: "danger" }));
    }
    const star = button("star", say(result.favourite ? "unfavour" : "favour"), () => {
      wangp.favourite([result], !result.favourite);
    }, { bare: true, kind: result.favourite ? "on" : "" });
    star.setAttribute("aria-pressed", String(Boolean(result.favourite)));
    const reuse = button("reuse", say("use_settings"), () => wangp.ask_stage("use_settings", result));
    const remove = button("trash", say("delete"), () => wangp.trash([result]), { bare: true, kind: "danger", hint: say("delete_hint") });
    if (result.missing) return el("div", { class: "wg-actions" }, reuse, star, remove);
    const uses = el("button", {
      type: "button", class: "wg-button", "aria-haspopup": "menu", "aria-expanded": "false", onclick: (event) => useMenu(event.currentTarget, result),
    }, wangp.icon("image"), el("span", {}, say("use_as")));
    const further = el("button", {
      type: "button", class: "wg-button bare", "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": say("more"), title: say("more"),
      onclick: (event) => wangp.menu(event.currentTarget, [
        result.kind === "audio" ? null : { icon: "wand", label: say("finish"), run: () => finish(result) },
        result.kind === "video" ? { icon: "frame", label: say("save_frame"), run: () => saveFrame(result) } : null,
        { icon: "compare", label: say("compare_with"), run: () => wangp.compareWith?.(result) },
        { icon: "file", label: say("settings_file"), run: () => { location.href = wangp.url(`results/${result.id}/settings.json?download=1`); } },
      ]),
    }, wangp.icon("more"));
    return el("div", { class: "wg-actions" }, reuse, uses,
      el("a", { class: "wg-button bare", href: wangp.fileUrl(result) + "?download=1", download: "", title: say("download"), "aria-label": say("download") },
        wangp.icon("download")),
      star, remove, further);
  };

  wangp.resultFacts = (result) => wangp.facts([
    result.model, result.width ? `${result.width} × ${result.height}` : result.size?.replace("x", " × "),
    result.kind === "video" && result.frames > 1 ? say("frames", { count: result.frames }) : null,
    result.steps ? say("steps", { count: result.steps }) : null, result.seed !== null ? `seed ${result.seed}` : null,
    result.duration_s ? `${result.duration_s.toFixed(1)} s` : null, result.bytes ? wangp.bytes(result.bytes) : null,
  ]);

  // The picture of a result in a grid; a clip plays while the pointer is over it.
  wangp.thumbnail = (result) => {
    if (result.kind === "audio") return wangp.icon("sound");
    const image = el("img", { alt: "", loading: "lazy", decoding: "async", src: wangp.url(`results/${result.id}/thumbnail.jpg`) });
    image.addEventListener("error", () => (result.missing ? image.remove() : image.replaceWith(wangp.icon("image"))));
    return image;
  };
  wangp.playOnHover = (open, result) => {
    if (result.kind !== "video" || result.missing || !matchMedia("(hover: hover)").matches) return;
    let video = null, timer = 0;
    open.addEventListener("mouseenter", () => {
      timer = setTimeout(() => {
        video = el("video", { src: wangp.fileUrl(result), loop: true, playsinline: true });
        video.muted = true;
        open.append(video);
        video.play().catch(() => {});
      }, 150);
    });
    open.addEventListener("mouseleave", () => { clearTimeout(timer); video?.remove(); video = null; });
  };
  wangp.badges = (result) => [
    result.kind === "video" && !result.missing ? el("span", { class: "wg-kind" }, wangp.icon("play")) : null,
    result.favourite ? el("span", { class: "wg-star" }, wangp.icon("star")) : null,
    result.missing ? el("span", { class: "wg-gone" }, say("gone")) : null,
  ].filter(Boolean);
})();
