// Keeps the choice of light or dark, and loads the page anew each minute while nobody is at it; nothing else needs a script.
(() => {
  const root = document.documentElement;
  const kept = (key, value) => { try { if (value !== undefined) localStorage.setItem(key, value); return localStorage.getItem(key); } catch { return null; } };
  const pressed = (button, now) => { button.hidden = false; button.setAttribute("aria-pressed", String(now)); };

  const theme = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const chosen = kept("theme");
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  if (theme) {
    theme.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      kept("theme", root.dataset.theme);
      pressed(theme, dark());
    });
    pressed(theme, dark());
  }

  const reload = document.getElementById("reload");
  if (!reload) return;
  const minute = 60000;
  let on = kept("reload") !== "off", touched = Date.now();
  for (const kind of ["pointerdown", "pointermove", "keydown", "scroll", "focusin"]) addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
  reload.addEventListener("click", () => { on = !on; kept("reload", on ? "on" : "off"); pressed(reload, on); });
  pressed(reload, on);
  setInterval(() => {
    const idle = Date.now() - touched >= minute;
    const reading = document.hidden || String(getSelection() ?? "") !== "";
    if (on && idle && !reading) location.reload();
  }, 5000);
})();
