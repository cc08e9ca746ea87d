// A file dropped on the gallery: what it says of itself, and what can be done with it.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;

  wangp.inspectFile = async (file) => {
    let told, place;
    try {
      place = await wangp.upload(file);
      told = await wangp.get(`inspect?path=${encodeURIComponent(place.path)}&name=${encodeURIComponent(file.name)}`);
    } catch (error) {
      return wangp.toast(error.message, "error");
    }
    const give = () => {
      wangp.ask("stage", "import_file", { path: place.path, name: file.name, token: wangp.token });
      wangp.tab("generator");
      box.close();
    };
    const preview = picture(file);
    const box = wangp.dialog(file.name,
      preview ? el("div", { class: "wg-view" }, preview) : null,
      told.tasks
        ? el("p", { class: "wg-question" }, say("file_tasks", { count: told.tasks }))
        : el("div", {}, el("p", { class: "wg-prompt" }, told.settings.prompt || say("no_prompt")),
          el("p", { class: "wg-facts" }, wangp.facts([told.model, told.settings.type])),
          wangp.settingsTable(told.settings)),
      el("div", { class: "wg-dialog-foot" },
        button(told.tasks ? "plus" : "reuse", say(told.tasks ? "add_tasks" : "use_settings"), give, { kind: "solid accent" })));
    box.addEventListener("close", () => { if (preview) URL.revokeObjectURL(preview.src); });
  };

  function picture(file) {
    const kind = file.type.split("/")[0];
    if (!["image", "video", "audio"].includes(kind)) return null;
    const made = el({ image: "img", video: "video", audio: "audio" }[kind], { src: URL.createObjectURL(file), controls: kind !== "image", alt: file.name });
    if (kind === "video") Object.assign(made, { muted: true, autoplay: true, loop: true });
    return made;
  }
})();
