// Scripts of every page: menus, keys, theme, live connection, parts that the server renders.
// A page without a script of its own loads this one.

import "./controls/controls.js";
import "./live/connection.js";
import "./live/incidents.js";
import "./parts.js";
