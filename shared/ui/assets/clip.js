// A clip frame by frame: its part from one frame to another, or one frame as a picture. The program draws the frames,
// so that what is seen is what is used, whatever the browser can play.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;

  // clipDialog({name: "video_source", source: {path} or {result}, purpose: "trim" or "frame"})
  wangp.clipDialog = async ({ name, source, purpose }) => {
    const where = new URLSearchParams(source);
    const info = await wangp.get("clip?" + where).catch(() => null);
    if (!info) return wangp.toast(say("clip_unreadable"), "error");
    const last = info.frames - 1;
    const trim = purpose === "trim" ? wangp.trimOf(name) : null;
    const state = { start: trim?.start ?? 0, end: trim && trim.end >= 0 ? trim.end : last, shown: 0 };
    const address = (frame, side) => wangp.url(`clip/frame.jpg?${where}&frame=${frame}&side=${side}`);
    const picture = el("img", { class: "wg-clip-frame", alt: "" });
    picture.style.aspectRatio = `${info.width} / ${info.height}`;
    const fact = el("p", { class: "wg-facts", role: "status" });
    let wait = 0;
    function look(frame) {
      state.shown = frame;
      clearTimeout(wait);
      wait = setTimeout(() => { picture.src = address(frame, 640); }, 40);
      tell();
    }
    const slider = (label, value, change) => {
      const number = el("input", { type: "number", min: "1", max: String(info.frames), value: String(value + 1), "aria-label": label });
      const range = el("input", { type: "range", min: "0", max: String(last), value: String(value), "aria-label": label });
      const move = (frame) => {
        const kept = Math.max(0, Math.min(last, change(frame)));
        range.value = String(kept);
        number.value = String(kept + 1);
        look(kept);
      };
      range.addEventListener("input", () => move(Number(range.value)));
      number.addEventListener("change", () => move(Number(number.value) - 1));
      return el("label", { class: "wg-clip-slider" }, el("span", {}, label), range, number);
    };
    function tell() {
      const count = state.end - state.start + 1;
      fact.textContent = purpose === "trim"
        ? say("clip_part", { count, seconds: (count / info.fps).toFixed(1), total: info.frames })
        : say("clip_frame", { frame: state.shown + 1, total: info.frames });
    }
    const strip = el("div", { class: "wg-strip", "aria-hidden": "true" }, ...Array.from({ length: 8 }, (_, place) =>
      el("img", { src: address(Math.round((place / 7) * last), 120), alt: "", loading: "lazy" })));
    const sliders = purpose === "trim"
      ? [slider(say("clip_first"), state.start, (frame) => (state.start = Math.min(frame, state.end))),
        slider(say("clip_last"), state.end, (frame) => (state.end = Math.max(frame, state.start)))]
      : [slider(say("clip_which"), 0, (frame) => frame)];
    const tell_trim = (start, end) => wangp.ask("tools", "trim", { name, path: source.path, start, end });
    const takeAs = (field) => field in wangp.model.media
      ? button("image", say("clip_take_as", { field: wangp.model.labels[field] }), () => { wangp.ask("tools", "take_frame", { name: field, frame: state.shown, path: source.path, id: source.result }); dialog.close(); })
      : null;
    const foot = purpose === "trim"
      ? [takeAs("image_start"), takeAs("image_end"),
        button("film", say("clip_whole"), () => { tell_trim(null, null); dialog.close(); }),
        button("cut", say("clip_use_part"), () => {
          if (state.start === 0 && state.end === last) tell_trim(null, null);
          else tell_trim(state.start, state.end);
          dialog.close();
        }, { kind: "accent" })]
      : [button("image", say("clip_first_frame"), () => take(0)), button("image", say("clip_last_frame"), () => take(last)),
        button("image", say("clip_use_frame"), () => take(state.shown), { kind: "accent" })];
    function take(frame) {
      wangp.ask("tools", "take_frame", { name, frame, path: source.path, id: source.result });
      dialog.close();
    }
    const dialog = wangp.narrow(say(purpose === "trim" ? "media_trim" : "media_frame"), picture, strip, ...sliders, fact,
      el("div", { class: "wg-dialog-foot" }, ...foot.filter(Boolean)));
    look(state.start);
  };
})();
