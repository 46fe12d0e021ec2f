// One rule: what is typed goes into the URL, and the preview below follows it.

import "../../shell/shell.js";
import { page } from "../../shell/page.js";
import { followForm } from "../../shell/lists/form_preview.js";

followForm("rule-form", page);
