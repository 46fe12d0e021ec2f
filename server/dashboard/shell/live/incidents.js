// Open incidents in the frame of every page: the bell, the title, the icon of the tab, and
// notifications of this browser. The server judges and counts; this shows it.

import { page } from "../page.js";
import { part, setData, setText } from "../text.js";
import { live } from "./connection.js";
import { setUpNotifications } from "./notifications.js";

const bell = part("bell");
const favicon = part("favicon");
const TITLE = document.title;
const MAX_SHOWN = 99;

/** The title of a page with the number of incidents in front, if there are any. */
function titled(title, count) {
  return count ? `(${count > MAX_SHOWN ? `${MAX_SHOWN}+` : count}) ${title}` : title;
}

function show() {
  const { bells } = live.totals.incidents;
  const { critical, warning, quiet, label, is_old: isOld } = bells[bell.dataset.audience];
  showCount("critical", critical);
  showCount("warning", warning);
  showCount("quiet", critical || warning ? 0 : quiet);
  if (bell.title !== label) bell.title = label;
  setText(part("bell-label"), label);
  bell.toggleAttribute("data-old", isOld || live.level() === "none");
  const title = titled(TITLE, critical + warning);
  if (document.title !== title) document.title = title;
  showIcon();
}

function showCount(name, count) {
  const box = part(`bell-${name}`);
  setText(box, count > MAX_SHOWN ? `${MAX_SHOWN}+` : String(count));
  if (box.hidden !== !count) box.hidden = !count;
}

/** The icon of what is known now: a tab that is not connected knows nothing. */
function showIcon() {
  const level = live.level();
  if (favicon.dataset.level === level) return;
  setData(favicon, "level", level);
  favicon.href = favicon.dataset[level] ?? favicon.dataset.none;
}

const notify = setUpNotifications(document.getElementById("notify"), {
  href: (id) => page.href(`/alerts/incidents/${id}/`),
  alarms: () => live.totals.incidents.alarms,
  onSwitch: (isOn) => live.stayOpen(isOn),
});
live.onFrame(show, { hidden: true });
live.onFrame((frame) => notify(frame.incidents.alarms), { hidden: true });
live.onState(show);
show();
