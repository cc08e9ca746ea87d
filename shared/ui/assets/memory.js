// The line beside the buttons that says what the task would take of this machine's memory.
(() => {
  "use strict";
  const wangp = window.wangp;
  const MATTERS = [
    "resolution", "video_length", "sliding_window_size", "batch_size", "image_mode", "guidance_scale", "override_profile",
  ];
  const WAIT_MS = 300;
  let timer = 0, asked = "";

  wangp.on("form", (values) => {
    if (!document.getElementById("memory-need")) show({});
    clearTimeout(timer);
    timer = setTimeout(() => ask(values), WAIT_MS);
  });

  async function ask(values) {
    if (!wangp.model) return;
    const settings = { model_type: wangp.model.model_type };
    for (const name of MATTERS) if (values[name] != null && values[name] !== "") settings[name] = values[name];
    const question = JSON.stringify(settings);
    if (question === asked) return;
    asked = question;
    const response = await fetch(wangp.url("memory?settings=" + encodeURIComponent(question))).catch(() => null);
    if (question === asked) show(response?.ok ? await response.json() : {});
  }

  function show({ text = "", fits = true }) {
    let line = document.getElementById("memory-need");
    if (!line) {
      line = wangp.el("p", { id: "memory-need", class: "wg-memory", "aria-live": "polite" });
      document.getElementById("wangp-buttons")?.after(line);
    }
    line.textContent = text || "\u00a0"; // it keeps its place while it is empty
    line.classList.toggle("wg-wrong", !fits);
  }
})();
