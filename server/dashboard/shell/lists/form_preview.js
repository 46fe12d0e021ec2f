// A form whose fields go into the URL while they are typed, so that a part which the server renders
// shows what they would do. Nothing is saved by it.

import { part } from "../text.js";

const TYPED_AFTER_MS = 400;
const NOT_SHOWN = new Set(["csrfmiddlewaretoken", "action", "reason"]);

/** Follow the form that is the part `name`: with every pause in typing the page is fetched again. */
export function followForm(name, page) {
  const form = part(name);
  let timer = null;
  form?.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const typed = [...new FormData(form)].filter(([field]) => !NOT_SHOWN.has(field));
      page.set({ problem: null, ...Object.fromEntries(typed) }, { replace: true });
    }, TYPED_AFTER_MS);
  });
}
