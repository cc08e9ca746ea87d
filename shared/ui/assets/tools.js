// Helpers of the prompt, and what brings values of any helper into the form.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say, button } = wangp;
  const WAIT_MS = 250;
  const KEPT = ["prompt", "negative_prompt", "seed"];
  let row = null, lines = null, back = null, timer = 0, asked = "";

  // A dialog as wide as a form.
  wangp.narrow = (title, ...content) => {
    const box = wangp.dialog(title, ...content);
    box.classList.add("wg-plain");
    return box;
  };

  // set({seed: 5}): the form shows it as if it were typed.
  wangp.set = (values) => wangp.ask("tools", "set_values", { values });
  wangp.putBack = (names) => wangp.ask("tools", "put_back", { names });

  wangp.panel("tools", (element) => {
    back = button("retry", "", () => wangp.putBack([]), { hint: say("put_back_all") });
    back.id = "put_back";
    back.hidden = true;
    row = el("div", { class: "wg-prompt-tools" },
      button("history", say("prompt_history"), showHistory, { hint: say("prompt_history_hint") }),
      button("braces", say("prompt_variables"), showVariables, { hint: say("prompt_variables_hint") }),
      button("dice", say("prompt_wildcards"), showWildcards, { hint: say("prompt_wildcards_hint") }), back);
    lines = el("div", { class: "wg-lines", role: "status", hidden: true });
    element.replaceChildren(row, lines);
  });

  wangp.on("form", (values) => {
    if (!back) return;
    const changed = wangp.changedNames().filter((name) => !KEPT.includes(name)).length;
    back.hidden = !changed;
    const text = say("changed", { count: changed });
    if (back.dataset.text !== text) {
      back.dataset.text = text;
      back.lastChild.textContent = text;
      back.setAttribute("aria-label", `${text}: ${say("put_back_all")}`);
    }
    clearTimeout(timer);
    timer = setTimeout(() => plan(values), WAIT_MS);
  });

  // What several lines, variables and commands come to; one plain line needs no words.
  async function plan(values) {
    const prompt = values.prompt ?? "", mode = values.multi_prompts_gen_type ?? "PG";
    const question = JSON.stringify({ prompt, mode });
    if (question === asked || !lines) return;
    asked = question;
    if (!/\n|^!|\[\/|__\S+__/m.test(prompt.trim())) return lines.replaceChildren(), void (lines.hidden = true);
    const answer = await wangp.post("prompt", { prompt, mode }).catch(() => null);
    if (question === asked && answer) show(answer, mode);
  }

  function show(told, mode) {
    const choices = wangp.model?.choices?.multi_prompts_gen_type ?? [];
    const select = el("select", { "aria-label": wangp.model?.labels?.multi_prompts_gen_type ?? "", onchange: () => wangp.set({ multi_prompts_gen_type: select.value }) },
      ...choices.map(([label, value]) => el("option", { value }, label)));
    select.value = mode;
    const text = told.error ?? (told.unknown?.length ? say("wildcards_unknown", { names: told.unknown.join(", ") }) : null) ?? (
      told.windows > 1 ? say("lines_windows", { count: told.windows }) : say(told.clips === 1 ? "lines_one" : "lines_clips", { count: told.clips }));
    const more = told.texts?.length > 1
      ? el("details", {}, el("summary", {}, say("lines_show")), el("ol", {}, ...told.texts.map((one) => el("li", {}, one)))) : null;
    lines.hidden = false;
    lines.classList.toggle("wg-wrong-text", Boolean(told.error));
    lines.replaceChildren(el("div", { class: "wg-lines-row" }, el("span", {}, text), choices.length ? select : ""), more ?? "");
  }

  async function showHistory() {
    const found = el("ul", { class: "wg-picks" });
    const search = el("input", { type: "search", "aria-label": say("prompt_search"), placeholder: say("prompt_search"), oninput: () => load() });
    const dialog = wangp.narrow(say("prompt_history"), search, found);
    async function load() {
      const answer = await wangp.get("prompts?words=" + encodeURIComponent(search.value)).catch(() => null);
      const prompts = answer?.prompts ?? [];
      found.replaceChildren(...(prompts.length ? prompts.map((prompt) => el("li", {}, el("button", {
        type: "button", onclick: () => { wangp.set({ prompt }); dialog.close(); },
      }, prompt))) : [el("li", { class: "wg-empty" }, say("prompt_none"))]));
    }
    await load();
    search.focus();
  }

  // A form with a name and its values writes the line that declares a variable, and puts the variable into the text.
  function showVariables() {
    const name = el("input", { type: "text", "aria-label": say("variable_name"), placeholder: say("variable_name"), value: "Subject", pattern: "[\\w ]+", required: true });
    const values = el("textarea", { rows: "5", "aria-label": say("variable_values"), placeholder: say("variable_values"), required: true });
    const form = el("form", { method: "dialog", class: "wg-fields" }, el("p", { class: "wg-quiet" }, say("variable_help")), name, values,
      el("div", { class: "wg-dialog-foot" }, el("button", { type: "submit", class: "wg-button accent" }, say("variable_add"))));
    const dialog = wangp.narrow(say("prompt_variables"), form);
    form.addEventListener("submit", () => {
      const listed = values.value.split("\n").map((value) => value.trim().replaceAll('"', "'")).filter(Boolean);
      const declared = `{${name.value.trim()}}=${listed.map((value) => `"${value}"`).join(",")}`;
      const text = wangp.value("prompt") ?? "";
      const joined = text.startsWith("!") ? text.replace(/^![^\n]*/, (line) => `${line} : ${declared}`) : `!${declared}\n${text}`;
      wangp.set({ prompt: joined.includes(`{${name.value.trim()}}`, joined.indexOf("\n")) ? joined : `${joined.trimEnd()} {${name.value.trim()}}` });
    });
    values.focus();
  }

  async function showWildcards() {
    const found = el("ul", { class: "wg-picks" });
    const dialog = wangp.narrow(say("prompt_wildcards"), el("p", { class: "wg-quiet" }, say("wildcards_help")), found);
    const answer = await wangp.get("wildcards").catch(() => null);
    const names = answer?.wildcards ?? [];
    found.replaceChildren(...(names.length ? names.map(({ name, lines: count }) => el("li", {}, el("button", {
      type: "button", onclick: () => { insert(`__${name}__`); dialog.close(); },
    }, name, el("span", { class: "wg-quiet" }, say("wildcards_lines", { count }))))) : [el("li", { class: "wg-empty" }, say("wildcards_none"))]));
  }

  function insert(text) {
    const field = document.querySelector("#prompt textarea");
    const at = field.selectionStart ?? field.value.length;
    const before = field.value.slice(0, at), space = before && !/\s$/.test(before) ? " " : "";
    field.setRangeText(space + text, at, field.selectionEnd ?? at, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  }
})();
