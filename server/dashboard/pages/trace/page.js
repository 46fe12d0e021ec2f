// The page of a trace: it follows a story by reloading it, and copies its link.

import "../../shell/shell.js";
import { toast } from "../../shell/controls/toast.js";

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast(button.dataset.copied);
  } catch {
    toast(button.dataset.copy); // without a secure address there is no clipboard
  }
});
