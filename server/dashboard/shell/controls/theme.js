// Dark, light, or as the system: remembered in this browser. A `theme` in the URL goes before.

const KEY = "mallard-theme"; // theme-early.js reads it too
const CHOICES = ["dark", "light", "auto"];
/** Sent to `document` when the colours changed: charts are drawn again. */
export const CHANGED = "mallard:theme";

export function resolved(choice, systemIsLight) {
  return choice === "light" || (choice === "auto" && systemIsLight) ? "light" : "dark";
}

export function next(choice) {
  return CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
}

/** Bind the switch and follow the system. Returns what a key press calls. `page` has the URL. */
export function setUpTheme(button, page) {
  const system = matchMedia("(prefers-color-scheme: light)");
  const root = document.documentElement;

  const apply = (choice) => {
    root.dataset.themeChoice = choice;
    root.dataset.bsTheme = resolved(choice, system.matches);
    button.title = `Theme: ${choice} (t)`;
    button.setAttribute("aria-label", `Theme: ${choice}. Switch to ${next(choice)}`);
    document.dispatchEvent(new Event(CHANGED));
  };
  const switchOver = () => {
    const choice = next(root.dataset.themeChoice);
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // Storage is forbidden here: the choice lasts as long as the page.
    }
    apply(choice);
    if (page.param("theme")) page.set({ theme: choice }, { replace: true });
  };

  apply(CHOICES.includes(root.dataset.themeChoice) ? root.dataset.themeChoice : "dark");
  button.addEventListener("click", switchOver);
  system.addEventListener("change", () => apply(root.dataset.themeChoice));
  return switchOver;
}
