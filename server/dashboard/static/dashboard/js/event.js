// The page of one event. It does not change any more; its message's story may.

import "./connection.js";
import "./frame.js";
import { Repaint } from "./repaint.js";

new Repaint();
