// The page of one event. It does not change any more; its message's story may.

import "../../shell/live/connection.js";
import "../../shell/controls/controls.js";
import { Repaint } from "../../shell/live/repaint.js";

new Repaint();
