// Runs before the first paint, so that a light page never flashes dark. See theme.js.
(() => {
  let choice = "dark";
  try {
    choice = localStorage.getItem("mallard-theme") ?? "dark";
  } catch {
    // Storage is forbidden here: the default stays.
  }
  const light = choice === "light" || (choice === "auto" && matchMedia("(prefers-color-scheme: light)").matches);
  document.documentElement.dataset.themeChoice = choice;
  document.documentElement.dataset.bsTheme = light ? "light" : "dark";
})();
