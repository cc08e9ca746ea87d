// Guides: first steps, an example of each mode that loads into the form, keys, and what the program runs on.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;
  const STEPS = ["guide_step_model", "guide_step_prompt", "guide_step_generate", "guide_step_result"];
  const EXAMPLES = [
    ["text-to-video", "film"], ["single-picture", "image"], ["start-picture", "image"], ["first-and-last-picture", "image"],
    ["continue-a-clip", "film"], ["follow-a-clip", "film"], ["repaint-a-part", "brush"], ["long-clip", "film"],
    ["several-results", "braces"],
  ];
  const KEYS = [
    ["Ctrl Enter", "key_generate"], ["Ctrl V", "key_paste"], ["Ctrl K", "key_model"], ["Alt 1 … 9", "key_tab"], ["Esc", "key_close"],
  ];

  wangp.panel("guides", async (element) => {
    const about = el("dl", { class: "wg-about" });
    const part = (id, ...children) => el("section", { class: "wg-section", id: "guide_" + id }, el("h2", {}, say("guide_" + id)), ...children);
    element.replaceChildren(el("div", { class: "wg-guides" },
      part("first", el("ol", { class: "wg-steps" }, ...STEPS.map((step) => el("li", {}, say(step))))),
      part("modes", el("p", { class: "wg-quiet" }, say("guide_modes_help")), el("ul", { class: "wg-examples" }, ...EXAMPLES.map(example))),
      part("more", ...["queue", "presets", "files", "night"].map((id) => el("div", { class: "wg-tip" }, el("h3", {}, say("tip_title_" + id)), el("p", {}, say("tip_text_" + id))))),
      part("keys", el("dl", { class: "wg-keys" }, ...KEYS.flatMap(([keys, text]) => [
        el("dt", {}, ...keys.split(" ").map((key) => el("kbd", {}, key))), el("dd", {}, say(text))]))),
      part("about", about)));
    const machine = await wangp.get("machine").catch(() => null);
    if (!machine) return;
    const facts = [
      ...Object.entries(machine.versions), ["Python", machine.python], [say("about_system"), machine.system],
      [say("about_card"), machine.card_bytes ? `${machine.card || "CUDA"}, ${wangp.bytes(machine.card_bytes)}` : say("about_none")],
      [say("about_memory"), wangp.bytes(machine.memory_bytes)], [say("about_cores"), String(machine.cores)],
    ];
    about.replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  });

  function example([name, icon]) {
    const key = name.replaceAll("-", "_");
    const load = button("reuse", say("example_load"), () => {
      wangp.ask("guides", "load_example", { name });
      wangp.tab("generator");
    });
    load.setAttribute("aria-label", `${say("example_load")}: ${say("example_" + key)}`);
    return el("li", { class: "wg-example" }, wangp.icon(icon),
      el("div", {}, el("h3", {}, say("example_" + key)), el("p", {}, say("example_text_" + key))), load);
  }
})();
