// Keeps the choice of light or dark; nothing else needs a script.
(() => {
  const root = document.documentElement, button = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  try { const kept = localStorage.getItem("theme"); if (kept === "light" || kept === "dark") root.dataset.theme = kept; } catch {}
  if (!button) return;
  button.hidden = false;
  const show = () => button.setAttribute("aria-pressed", String(dark()));
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch {}
    show();
  });
  show();
})();
