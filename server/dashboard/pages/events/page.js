// The page of events: its list follows the URL; the form sends only what was filled in.

import "../../shell/shell.js";
import { CARRIED } from "../../shell/params.js";
import { page } from "../../shell/page.js";
import { make } from "../../shell/text.js";

page.addEventListener("moved", carry);

const form = document.querySelector('[data-part="search"]');
form.addEventListener("submit", () => {
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
});
// Coming back by Back, the fields must work again.
addEventListener("pageshow", () => {
  for (const field of form.elements) field.disabled = false;
});

/** Range, refresh, zone and theme of the URL go along when the form is sent. */
function carry() {
  const given = new URLSearchParams(location.search);
  const names = CARRIED.filter((name) => given.get(name));
  form.querySelector('[data-part="carried"]').replaceChildren(
    ...names.map((name) => make("input", { type: "hidden", name, value: given.get(name) })),
  );
}
