// What a field for pictures and clips takes beside a file: the clipboard, the camera, the gallery, a part of a clip.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;
  let hovered = "";

  wangp.on("form", () => {
    for (const [name, kind] of Object.entries(wangp.model?.media ?? {})) equip(name, kind);
  });

  // The file of a field as the browser knows it: {path, url}; null when it is empty.
  wangp.fileOf = (name) => {
    const value = wangp.value(name);
    const one = Array.isArray(value) ? value[0] : value;
    return one?.video ?? one ?? null;
  };
  wangp.trimOf = (name) => {
    try { return JSON.parse(wangp.model?.extra || "{}").page_trims?.[name] ?? null; } catch { return null; }
  };

  function equip(name, kind) {
    const box = document.getElementById(name);
    if (!box || !box.classList.contains("wg-media")) return;
    const file = wangp.fileOf(name), trim = wangp.trimOf(name);
    if (trim && !file) wangp.ask("tools", "trim", { name, path: "", start: null, end: null });
    const state = JSON.stringify([Boolean(file), trim, wangp.model.model_type, canPaint(name)]);
    let bar = box.querySelector(".wg-media-tools");
    if (bar?.dataset.state === state) return;
    if (!bar) {
      bar = el("div", { class: "wg-media-tools" });
      box.append(bar);
      box.addEventListener("mouseenter", () => { hovered = name; });
      box.addEventListener("mouseleave", () => { if (hovered === name) hovered = ""; });
    }
    bar.dataset.state = state;
    bar.replaceChildren(...tools(name, kind, file).filter(Boolean));
    // A file field shows a name alone; a picture in it is shown.
    const url = box.querySelector(".file-preview") && /\.(png|jpe?g|webp)$/i.test(file?.path ?? "") ? file.url : "";
    box.style.setProperty("--picture", url ? `url("${url}")` : "none");
    box.classList.toggle("wg-pictured", Boolean(url));
    let note = box.querySelector(".wg-trim");
    if (trim && file) {
      note ??= box.appendChild(el("span", { class: "wg-trim" }));
      note.textContent = trim.end < 0 ? `${trim.start + 1} –` : `${trim.start + 1} – ${trim.end + 1}`;
    } else note?.remove();
  }

  function tools(name, kind, file) {
    const label = wangp.model.labels[name];
    const tool = (icon, text, act) => button(icon, `${label}: ${say(text)}`, (event) => { event.stopPropagation(); act(); }, { bare: true });
    if (kind === "audio") return file ? [] : [tool("grid", "media_gallery", () => fromGallery(name, kind))];
    if (file && kind === "video") return [
      tool("cut", "media_trim", () => wangp.clipDialog({ name, source: { path: file.path }, purpose: "trim" })),
      paintTool(name, tool),
    ];
    if (file) return [paintTool(name, tool)];
    return [
      paintTool(name, tool) ?? tool("paste", "media_paste", () => fromClipboard(name)),
      tool("camera", "media_camera", () => fromCamera(name, kind)),
      tool("grid", "media_gallery", () => fromGallery(name, kind)),
      kind === "image" ? tool("film", "media_frame", () => fromClip(name)) : null,
    ];
  }

  const GUIDES = { image_mask: "image_guide", video_mask: "video_guide" };
  const canPaint = (name) => Boolean(GUIDES[name] && wangp.fileOf(GUIDES[name]));
  const paintTool = (name, tool) => (canPaint(name)
    ? tool("brush", "media_paint", () => wangp.maskDialog(name, GUIDES[name])) : null);

  async function put(name, file) {
    const told = await wangp.upload(file);
    const isList = Array.isArray(wangp.value(name)) || ["image_refs", "guide_pictures"].includes(name);
    const before = isList ? (wangp.value(name) ?? []).map((one) => one.path ?? one) : [];
    wangp.set({ [name]: isList ? [...before, told.path] : told.path });
  }
  wangp.putFile = put;

  async function fromClipboard(name) {
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find((one) => one.startsWith("image/"));
        if (type) return put(name, new File([await item.getType(type)], "pasted.png", { type }));
      }
      wangp.toast(say("media_nothing_pasted"));
    } catch { wangp.toast(say("media_paste_keys")); }
  }

  // Ctrl+V puts a copied picture into the field under the mouse or with the focus, else into the first empty one.
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => /^(image|video|audio)\//.test(one.type));
    if (!file || !wangp.model) return;
    const kind = file.type.split("/")[0];
    const focused = document.activeElement?.closest?.(".wg-media")?.id;
    const fields = Object.entries(wangp.model.media).filter(([name, one]) => one === kind && document.getElementById(name)?.offsetParent);
    const name = [hovered, focused].find((one) => fields.some(([other]) => other === one)) ?? fields.find(([other]) => !wangp.fileOf(other))?.[0];
    if (!name) return;
    event.preventDefault();
    put(name, file);
  });

  async function fromCamera(name, kind) {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: kind === "video" });
    } catch { return wangp.toast(say("media_no_camera"), "error"); }
    const view = el("video", { autoplay: true, playsinline: true, class: "wg-camera" });
    view.muted = true;
    view.srcObject = stream;
    const shoot = button("camera", say(kind === "video" ? "camera_record" : "camera_take"), () => take(), { kind: "accent" });
    const dialog = wangp.narrow(say("media_camera"), view, el("div", { class: "wg-dialog-foot" }, shoot));
    dialog.addEventListener("close", () => { stream.getTracks().forEach((track) => track.stop()); dialog.remove(); });
    let recorder = null;
    function take() {
      if (kind !== "video") {
        const canvas = el("canvas", {});
        [canvas.width, canvas.height] = [view.videoWidth, view.videoHeight];
        canvas.getContext("2d").drawImage(view, 0, 0);
        return canvas.toBlob((blob) => { put(name, new File([blob], "camera.png", { type: "image/png" })); dialog.close(); });
      }
      if (recorder) return recorder.stop();
      const parts = [];
      recorder = new MediaRecorder(stream);
      recorder.ondataavailable = (event) => parts.push(event.data);
      recorder.onstop = () => { put(name, new File(parts, "camera.webm", { type: "video/webm" })); dialog.close(); };
      recorder.start();
      shoot.lastChild.textContent = say("camera_stop");
    }
  }

  // A grid of the results that fit a field; `take(result)` gets the chosen one.
  async function gallery(kinds, title, take) {
    const grid = el("ul", { class: "wg-gallery wg-take" });
    const dialog = wangp.narrow(title, grid);
    const answer = await wangp.get("results?limit=200").catch(() => null);
    const results = (answer?.results ?? []).filter((result) => kinds.includes(result.kind));
    grid.replaceChildren(...(results.length ? results.map((result) => el("li", {}, el("button", {
      type: "button", class: "wg-tile", title: result.prompt, "aria-label": result.prompt || result.name,
      onclick: () => { dialog.close(); take(result); },
    }, result.kind === "audio" ? wangp.icon("sound") : el("img", { src: wangp.url(`results/${result.id}/thumbnail.jpg`), alt: "", loading: "lazy" }),
    result.kind === "video" ? el("span", { class: "wg-kind" }, wangp.icon("play")) : null)))
      : [el("li", { class: "wg-empty" }, say("media_no_results"))]));
  }

  function fromGallery(name, kind) {
    const kinds = kind === "image" || !kind ? ["image", "video"] : [kind];
    gallery(kinds, say("media_gallery"), (result) => {
      if (kind === "image" && result.kind === "video") return wangp.clipDialog({ name, source: { result: result.id }, purpose: "frame" });
      wangp.ask("tools", "take_result", { name, id: result.id });
    });
  }

  function fromClip(name) {
    const input = el("input", { type: "file", accept: "video/*", onchange: async () => {
      if (!input.files[0]) return;
      const told = await wangp.upload(input.files[0]);
      wangp.clipDialog({ name, source: { path: told.path }, purpose: "frame" });
    } });
    input.click();
  }
})();
