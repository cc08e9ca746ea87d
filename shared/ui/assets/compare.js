// Two results side by side, played together, with the settings in which they differ.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;

  wangp.compare = async (left, right) => {
    let told;
    try {
      told = await wangp.get(`results/${left.id}/compare/${right.id}`);
    } catch (error) {
      return wangp.toast(error.message, "error");
    }
    const sides = [told.left, told.right];
    const players = sides.map((result) => wangp.player(result));
    const videos = players.filter((player) => player.tagName === "VIDEO");
    const figures = sides.map((result, place) => el("figure", {},
      el("div", { class: "wg-view" }, players[place]),
      el("figcaption", {}, wangp.resultFacts(result)),
      el("div", { class: "wg-actions" }, button("reuse", say("use_settings"), () => { box.close(); wangp.ask_stage("use_settings", result); }))));
    const box = wangp.dialog(say("compare"),
      el("div", { class: "wg-compare" }, ...figures),
      videos.length === 2 ? together(videos) : null,
      differences(told.differences));
  };

  // One clip leads; the other is brought to the same moment when they drift apart.
  function together([first, second]) {
    for (const video of [first, second]) video.controls = false;
    const seek = el("input", { type: "range", class: "wg-range", min: 0, max: 1000, value: 0, "aria-label": say("position") });
    const play = button("pause", say("play_pause"), () => (first.paused ? start() : stop()), { bare: true });
    const show = () => play.replaceChildren(wangp.icon(first.paused ? "play" : "pause"));
    const start = () => { first.play(); second.play(); };
    const stop = () => { first.pause(); second.pause(); };
    first.addEventListener("play", show);
    first.addEventListener("pause", show);
    first.addEventListener("timeupdate", () => {
      if (!first.duration) return;
      seek.value = (first.currentTime / first.duration) * 1000;
      const wanted = Math.min(first.currentTime, second.duration || first.currentTime);
      if (Math.abs(second.currentTime - wanted) > 0.12) second.currentTime = wanted;
    });
    seek.addEventListener("input", () => {
      stop();
      for (const video of [first, second]) if (video.duration) video.currentTime = (seek.value / 1000) * video.duration;
    });
    return el("div", { class: "wg-compare-tools" }, play, seek);
  }

  function differences(rows) {
    if (!rows.length) return el("p", { class: "wg-question" }, say("no_differences"));
    const text = (value) => (value === null || value === undefined || value === "" ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));
    return el("table", { class: "wg-settings-table wg-compare-table" }, el("tbody", {}, ...rows.map((row) =>
      el("tr", { "data-setting": row.name }, el("th", { scope: "row" }, row.label), el("td", {}, text(row.left)), el("td", {}, text(row.right))))));
  }
})();
