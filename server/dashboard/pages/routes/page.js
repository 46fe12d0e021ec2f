// Routes: the alert that is typed goes into the URL, and who would be woken by it follows.

import "../../shell/shell.js";
import { page } from "../../shell/page.js";
import { followForm } from "../../shell/lists/form_preview.js";

followForm("wake-form", page);
