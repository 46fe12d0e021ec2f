// Links to the page of one provider, destination, sending IP, sending domain or account; as links.py.

import { page } from "../page.js";

/** Where the levels count what they do not name. */
const OTHER = "(other)";

/** The address of the page of `name`; null for what has none. */
export function profileHref(kind, name, params = {}) {
  return name && name !== OTHER ? page.href(`/email/by/${kind}/named/`, { name, ...params }) : null;
}
