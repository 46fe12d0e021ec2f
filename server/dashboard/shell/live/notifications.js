// Notifications of this browser about new critical incidents: by consent, each once for all tabs.

import { toast } from "../controls/toast.js";
import { part, setText } from "../text.js";

const CHOICE = "mallard-notify";
const SEEN = "mallard-notified";
const MAX_SEEN = 200;

/** The alarms that no tab has shown yet, and what all have shown then, the newest last. */
export function unseen(alarms, seen) {
  const fresh = alarms.filter((alarm) => !seen.includes(alarm.id));
  return { fresh, seen: [...seen, ...fresh.map((alarm) => alarm.id)].slice(-MAX_SEEN) };
}

/** Ids that were stored; none where another wrote something else there. */
export function parseSeen(text) {
  try {
    const ids = JSON.parse(text ?? "[]");
    return Array.isArray(ids) ? ids.filter(Number.isInteger).slice(-MAX_SEEN) : [];
  } catch {
    return [];
  }
}

/**
 * Bind the button. Returns what is to be called with the alarms of each frame. `onSwitch(isOn)` is
 * called when notifications begin and end; `href(id)` is the page of an incident.
 */
export function setUpNotifications(button, { href, alarms, onSwitch }) {
  if (!("Notification" in window) || !navigator.locks) return () => {};

  const isOn = () => Notification.permission === "granted" && read(CHOICE) === "on";
  const show = () => {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(isOn()));
    setText(part("notify-state"), isOn() ? ": on" : "");
    onSwitch(isOn());
  };
  const choose = (choice) => {
    write(CHOICE, choice);
    show();
  };

  button.addEventListener("click", async () => {
    if (isOn()) return choose("off");
    if ((await Notification.requestPermission()) !== "granted") {
      return toast("This browser does not allow notifications of this site: its settings do.", "error");
    }
    write(SEEN, JSON.stringify(unseen(alarms(), parseSeen(read(SEEN))).seen)); // not new any more
    choose("on");
  });
  // Another tab switched them on or off.
  window.addEventListener("storage", (event) => event.key === CHOICE && show());
  show();

  return (newest) => {
    if (!isOn() || !unseen(newest, parseSeen(read(SEEN))).fresh.length) return;
    navigator.locks.request(SEEN, () => {
      const { fresh, seen } = unseen(newest, parseSeen(read(SEEN)));
      write(SEEN, JSON.stringify(seen));
      for (const alarm of fresh) notifyOf(alarm, href(alarm.id), () => choose("off"));
    });
  };
}

function notifyOf({ id, text }, address, onFailure) {
  try {
    const shown = new Notification("Mallard: critical", { body: text, tag: `mallard-incident-${id}` });
    shown.onclick = () => {
      window.focus();
      location.assign(address);
      shown.close();
    };
  } catch {
    // Some phones show notifications of installed apps alone.
    onFailure();
    toast("This browser cannot show notifications of an open page.", "error");
  }
}

function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage is forbidden here: off
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    toast("This browser stores nothing for this site, so it cannot remember that.", "error");
  }
}
