// Runs before the first paint, so that a light page never flashes dark. See theme.js.
(() => {
  let choice = new URLSearchParams(location.search).get("theme");
  try {
    choice ??= localStorage.getItem("mallard-theme");
  } catch {
    // Storage is forbidden here: the default stays.
  }
  if (!["dark", "light", "auto"].includes(choice)) choice = "dark";
  const light = choice === "light" || (choice === "auto" && matchMedia("(prefers-color-scheme: light)").matches);
  document.documentElement.dataset.themeChoice = choice;
  document.documentElement.dataset.bsTheme = light ? "light" : "dark";
})();
