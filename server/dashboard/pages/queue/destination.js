// The page of one destination of the queue.

import "../../shell/live/connection.js";
import "../../shell/controls/controls.js";
import { Repaint } from "../../shell/live/repaint.js";

new Repaint();
