// The page of events: its list follows the URL; the form sends only what was filled in.

import "../../shell/shell.js";
import { CARRIED } from "../../shell/params.js";
import { part } from "../../shell/text.js";

part("search").addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  // Range, refresh, zone and theme as the URL has them by now.
  const given = new URLSearchParams(location.search);
  for (const name of CARRIED) {
    if (given.get(name)) formData.set(name, given.get(name));
    else formData.delete(name);
  }
});
