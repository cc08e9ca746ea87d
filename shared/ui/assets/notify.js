// Word of a task's end outside the page: a short tone, and a message of the desktop. Both are off until wanted.
(() => {
  "use strict";
  const wangp = window.wangp;
  const { el, say } = wangp;
  const DESKTOP = "wangp-notify", SOUND = "wangp-sound";
  const soundOn = () => (localStorage.getItem(SOUND) ?? String(wangp.options.notification_sound_enabled)) === "1";
  let audio = null;

  wangp.notificationOptions = () => {
    const desktop = el("input", { type: "checkbox", id: "browser_notify", checked: localStorage.getItem(DESKTOP) === "1", onchange: async () => {
      const granted = desktop.checked && "Notification" in window && await Notification.requestPermission() === "granted";
      if (desktop.checked && !granted) wangp.toast(say("notify_refused"), "error");
      desktop.checked = granted;
      localStorage.setItem(DESKTOP, granted ? "1" : "0");
    } });
    const sound = el("input", { type: "checkbox", id: "browser_sound", checked: soundOn(), onchange: () => {
      localStorage.setItem(SOUND, sound.checked ? "1" : "0");
      if (sound.checked) tone();
    } });
    return [[say("notify_desktop"), desktop, say("notify_desktop_help")], [say("notify_sound"), sound, ""]];
  };

  wangp.on("finished", (message) => {
    if (!wangp.isOurs(message) || message.outcome === "cancelled") return;
    if (soundOn()) tone();
    if (localStorage.getItem(DESKTOP) !== "1" || document.visibilityState === "visible" || Notification.permission !== "granted") return;
    const text = say(message.outcome === "failed" ? "notify_failed" : "notify_done", { id: message.task_id });
    const note = new Notification("WanGP", { body: text, icon: wangp.url("assets/icon.svg"), tag: "wangp-" + message.task_id });
    note.onclick = () => { window.focus(); note.close(); };
  });

  function tone() {
    audio ??= new AudioContext();
    const volume = Math.max(0.001, Number(wangp.options.notification_sound_volume ?? 50) / 250);
    for (const [place, pitch] of [[0, 660], [0.14, 880]]) {
      const [wave, gain, start] = [audio.createOscillator(), audio.createGain(), audio.currentTime + place];
      wave.frequency.value = pitch;
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(volume, start + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0005, start + 0.4);
      wave.connect(gain).connect(audio.destination);
      wave.start(start);
      wave.stop(start + 0.42);
    }
  }
})();
