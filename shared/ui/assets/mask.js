// A mask painted over the picture, or over the first frame of a clip: white is made anew, black is kept.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;

  wangp.maskDialog = async (name, guide) => {
    const file = wangp.fileOf(guide);
    const isClip = wangp.model.media[guide] === "video";
    const picture = new Image();
    picture.src = isClip ? wangp.url(`clip/frame.jpg?${new URLSearchParams({ path: file.path })}&side=1280`) : file.url;
    await picture.decode().catch(() => {});
    if (!picture.naturalWidth) return wangp.toast(say("clip_unreadable"), "error");
    const info = isClip ? await wangp.get("clip?" + new URLSearchParams({ path: file.path })).catch(() => null) : null;
    const [width, height] = info ? [info.width, info.height] : [picture.naturalWidth, picture.naturalHeight];
    const mask = Object.assign(el("canvas", { class: "wg-mask", tabindex: "0", role: "img", "aria-label": say("mask_canvas") }), { width, height });
    const pen = mask.getContext("2d");
    const brush = { size: Math.max(8, Math.round(Math.min(width, height) / 10)), erases: false, last: null };
    const undo = [];
    const remember = () => { undo.push(pen.getImageData(0, 0, width, height)); if (undo.length > 20) undo.shift(); };

    const place = (event) => {
      const box = mask.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    };
    function stroke(event) {
      const [x, y] = place(event), [fromX, fromY] = brush.last ?? [x, y];
      pen.globalCompositeOperation = brush.erases || event.buttons === 2 ? "destination-out" : "source-over";
      Object.assign(pen, { lineWidth: brush.size, lineCap: "round", strokeStyle: "#fff" });
      pen.beginPath();
      pen.moveTo(fromX, fromY);
      pen.lineTo(x, y);
      pen.stroke();
      brush.last = [x, y];
    }
    mask.addEventListener("pointerdown", (event) => { mask.setPointerCapture(event.pointerId); remember(); brush.last = null; stroke(event); });
    mask.addEventListener("pointermove", (event) => { if (event.buttons) stroke(event); });
    mask.addEventListener("pointerup", () => { brush.last = null; });
    mask.addEventListener("contextmenu", (event) => event.preventDefault());

    const size = el("input", { type: "range", min: "2", max: String(Math.round(Math.min(width, height) / 2)), value: String(brush.size), "aria-label": say("mask_size"), oninput: () => { brush.size = Number(size.value); } });
    const eraser = button("clear", say("mask_erase"), () => { brush.erases = !brush.erases; eraser.setAttribute("aria-pressed", brush.erases); });
    eraser.setAttribute("aria-pressed", "false");
    const fill = (style, mode) => { remember(); Object.assign(pen, { globalCompositeOperation: mode, fillStyle: style }); pen.fillRect(0, 0, width, height); };
    const stage = el("div", { class: "wg-mask-stage" }, picture, mask);
    picture.className = "wg-mask-under";
    stage.style.setProperty("--ratio", width / height);
    stage.style.aspectRatio = `${width} / ${height}`;
    const done = button("save", say("mask_use"), use, { kind: "accent" });
    const dialog = wangp.narrow(say("media_paint"), el("p", { class: "wg-quiet" }, say("mask_help")),
      el("div", { class: "wg-mask-tools" }, el("label", { class: "wg-check" }, say("mask_size"), size), eraser,
        button("retry", say("mask_undo"), () => { const before = undo.pop(); if (before) pen.putImageData(before, 0, 0); }),
        button("plus", say("mask_all"), () => fill("#fff", "source-over")), button("trash", say("mask_clear"), () => fill("#000", "destination-out")),
        button("theme", say("mask_invert"), () => fill("#fff", "source-out"))),
      stage, el("div", { class: "wg-dialog-foot" }, done));
    dialog.classList.add("wide");

    async function use() {
      const flat = Object.assign(el("canvas", {}), { width, height });
      const ink = flat.getContext("2d");
      ink.fillRect(0, 0, width, height);
      ink.drawImage(mask, 0, 0);
      const blob = await new Promise((answer) => flat.toBlob(answer, "image/png"));
      const told = await wangp.upload(new File([blob], `mask-${Date.now()}.png`, { type: "image/png" }));
      wangp.set({ [name]: told.path });
      dialog.close();
    }
  };
})();
