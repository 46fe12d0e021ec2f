// Silences: what is typed into the form goes into the URL, and what it would hide follows it.

import "../../shell/shell.js";
import { followForm } from "../../shell/lists/form_preview.js";
import { page } from "../../shell/page.js";

followForm("silence-form", page);
