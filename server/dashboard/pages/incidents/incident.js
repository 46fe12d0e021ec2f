// One incident: a acknowledges it, s snoozes it for an hour.

import "../../shell/shell.js";
import { setUpKeys } from "../../shell/controls/keys.js";

const press = (key) => () => document.querySelector(`[data-press="${key}"]`)?.click();

setUpKeys({ a: press("a"), s: press("s") });
