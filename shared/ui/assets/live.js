// The event stream: opened while the window is seen, mended by itself when the connection is lost.
(() => {
  "use strict";
  const wangp = window.wangp;
  const HIDDEN_MS = 20000, SIGN_MS = 60000;
  let source = null, boot = null, hiddenTimer = 0, signTimer = 0, retryTimer = 0, retries = 0;

  function open() {
    clearTimeout(retryTimer);
    if (source) return;
    source = new EventSource(wangp.url("events?window=" + encodeURIComponent(wangp.token)));
    source.onopen = () => { retries = 0; };
    source.onmessage = (event) => take(JSON.parse(event.data));
    source.onerror = () => {
      close();
      wangp.emit("connection", { lost: true });
      retries += 1;
      retryTimer = setTimeout(open, Math.min(10000, 500 * 2 ** retries));
    };
  }

  function close() {
    source?.close();
    source = null;
  }

  function take(message) {
    if (message.kind === "hello") {
      // Another program run answers: the form is kept by the browser, so a fresh page loses nothing.
      if (boot && boot !== message.boot) return location.reload();
      boot = message.boot;
      wangp.emit("connection", { lost: false });
    }
    wangp.emit(message.kind, message);
    if (message.kind === "info" && isOurs(message)) wangp.toast(message.text);
    if (message.kind === "finished" && message.outcome === "failed") {
      const told = message.error ? ": " + message.error : "";
      wangp.toast(wangp.say("task_failed", { id: message.task_id }) + told, "error");
    }
  }

  // Tasks of other windows, programs and services share the queue; their remarks are not for this window.
  const isOurs = wangp.isOurs = (message) => !message.client_id || message.client_id.startsWith("page-" + wangp.token);

  const sign = (what) => navigator.sendBeacon(wangp.url(`${what}?window=${encodeURIComponent(wangp.token)}`));

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    clearInterval(signTimer);
    if (document.visibilityState === "visible") return open();
    hiddenTimer = setTimeout(() => {
      close();
      signTimer = setInterval(() => sign("here"), SIGN_MS);
    }, HIDDEN_MS);
  });
  addEventListener("pagehide", (event) => { close(); if (!event.persisted) sign("bye"); });
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });

  wangp.connect = open;
  document.addEventListener("DOMContentLoaded", open);
})();
