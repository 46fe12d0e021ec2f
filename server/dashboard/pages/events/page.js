// The page of events: its list follows the URL; the form sends only what was filled in.

import "../../shell/live/connection.js";
import "../../shell/controls/controls.js";
import { CARRIED } from "../../shell/params.js";
import { page } from "../../shell/page.js";
import { Repaint } from "../../shell/live/repaint.js";
import { make } from "../../shell/text.js";

// By hand or with the range, not by the timer: nobody reads a list that moves.
const repaint = new Repaint({ own: true });
page.addEventListener("moved", () => {
  carry();
  repaint.now();
});
page.addEventListener("refresh", () => repaint.now());

const form = document.querySelector('[data-part="search"]');
form.addEventListener("submit", () => {
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
});
// Coming back by Back, the fields must work again.
addEventListener("pageshow", () => {
  for (const field of form.elements) field.disabled = false;
});

/** What the frame asks stays asked when the form is sent. */
function carry() {
  const given = new URLSearchParams(location.search);
  const names = CARRIED.filter((name) => given.get(name));
  form.querySelector('[data-part="carried"]').replaceChildren(
    ...names.map((name) => make("input", { type: "hidden", name, value: given.get(name) })),
  );
}
