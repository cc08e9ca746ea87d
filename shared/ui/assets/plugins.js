// The plugins' own scripts, each run by itself once the page stands; and what plugins ask of one window.
(() => {
  "use strict";
  const wangp = window.wangp;
  const scripts = JSON.parse(document.getElementById("wangp-config").textContent).plugin_scripts ?? [];
  const WAIT_MS = 10000;

  wangp.panel("plugins", async () => {
    if (!scripts.length) return;
    await there("#main_tabs [role=tab]");
    await there("#generate");
    await putTabsInPlace([...new Set(scripts.flatMap(({ tabs }) => tabs))]);
    for (const { plugin, code } of scripts) {
      try {
        new Function(code)();
      } catch (error) {
        console.warn(`The script of the plugin ${plugin} failed`, error);
      }
    }
  });

  // Until a selector finds something, or nothing has come in time.
  async function there(selector) {
    const end = performance.now() + WAIT_MS;
    while (!document.querySelector(selector) && performance.now() < end) await new Promise(requestAnimationFrame);
  }

  // Gradio 6.31 makes what a tab holds when it is first opened; a plugin's script may look for it before.
  async function putTabsInPlace(tabs) {
    const page = document.getElementById("main_tabs");
    if (!tabs.length || !page) return;
    const shown = wangp.shownTab();
    wangp.isPlacingTabs = true;
    page.style.visibility = "hidden";
    for (const id of tabs) {
      wangp.tab(id);
      await there(`#${CSS.escape("tab_" + id)} :is(.block, .row, .form, button)`);
    }
    wangp.tab(shown);
    await new Promise(requestAnimationFrame);
    page.style.visibility = "";
    wangp.isPlacingTabs = false;
  }

  wangp.on("plugin", (message) => {
    if (message.window !== wangp.token) return;
    if (message.model_type) wangp.ask("plugins", "switch_model", { model_type: message.model_type });
    if (message.tab) wangp.tab(message.tab);
  });
})();
