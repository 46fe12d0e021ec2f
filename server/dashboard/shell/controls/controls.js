// The frame around every page: menus, theme, clock, keys, full screen, links that carry the range.
// A page's module imports it once for what it does.

import { isZone, recarrying, rfc3339 } from "../params.js";
import { setUpKeys } from "./keys.js";
import { page } from "../page.js";
import { setUpPrinting } from "./print.js";
import { setUpTheme } from "./theme.js";
import { part, setText } from "../text.js";
import { toast } from "./toast.js";

const CLOCK_EVERY_MS = 1_000;
const menus = document.querySelectorAll("details.menu");

function setUp() {
  const keys = document.getElementById("keys");
  const toggleKeys = () => (keys.open ? keys.close() : keys.showModal());
  const switchTheme = setUpTheme(document.getElementById("theme"), page);
  setUpKeys({
    t: switchTheme,
    r: () => page.refresh(),
    f: fullScreen,
    "/": search,
    "?": toggleKeys,
    ...Object.fromEntries([...document.querySelectorAll(".side [data-key]")].map((link) => [`g ${link.dataset.key}`, () => link.click()])),
  });
  document.getElementById("show-keys").addEventListener("click", toggleKeys);
  document.getElementById("full-screen").addEventListener("click", fullScreen);
  part("refresh").addEventListener("click", () => page.refresh());
  setUpPrinting();
  setUpMenus();
  setUpForms();
  page.addEventListener("moved", show);
  show();
  // In a narrow window the pages are a bar that scrolls: the current one may be past its edge.
  document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  showClock();
  setInterval(showClock, CLOCK_EVERY_MS);
}

function search() {
  const field = document.querySelector("[data-search]");
  if (field) field.focus();
  else document.querySelector('.side [data-page="events"]').click();
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => toast("This browser does not allow full screen.", "error"));
}

function setUpMenus() {
  for (const menu of menus) {
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
    menu.addEventListener("toggle", () => menu.open && menu.dataset.menu === "range" && fillCustomRange());
  }
  // One menu at a time; a click elsewhere closes it.
  document.addEventListener("click", (event) => {
    for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
    const choice = event.target.closest?.("a[data-set]");
    if (!choice || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choice.closest("details").open = false;
    const { range, refresh, zone } = choice.dataset;
    page.set(range ? { range, from: null, to: null } : refresh ? { refresh } : { tz: zone });
  });
}

function fillCustomRange() {
  const { startMs, endMs } = page.range();
  const form = part("custom-range");
  form.elements.from.value = page.zone.wall(startMs);
  form.elements.to.value = page.zone.wall(endMs);
}

function setUpForms() {
  setUpForm("custom-range", "custom-error", ({ from, to }) => {
    const [startMs, endMs] = [page.zone.momentMs(from.value), page.zone.momentMs(to.value)];
    if (!(startMs < endMs)) return "“From” is not before “To”.";
    if (startMs > page.nowMs()) return "“From” has not come yet.";
    return { range: null, from: rfc3339(startMs), to: rfc3339(endMs) };
  });
  const zones = document.getElementById("zones");
  part("other-zone").addEventListener("focusin", () => {
    if (zones.childElementCount) return;
    zones.append(...Intl.supportedValuesOf("timeZone").map((name) => new Option(name)));
  });
  setUpForm("other-zone", "zone-error", ({ tz }) => {
    const name = tz.value.trim();
    return isZone(name) ? { tz: name } : "There is no such time zone; write it like Europe/Berlin.";
  });
}

/** A form of a menu: `read(fields)` returns the changes of the URL, or text: what is wrong. */
function setUpForm(name, errorName, read) {
  part(name).addEventListener("submit", (event) => {
    event.preventDefault();
    const changes = read(event.target.elements);
    const wrong = typeof changes === "string" ? changes : "";
    part(errorName).textContent = wrong;
    part(errorName).hidden = !wrong;
    if (wrong) return;
    event.target.closest("details").open = false;
    page.set(changes);
  });
}

/** Show the parameters of the URL: labels, the chosen menu items, links that carry them on. */
function show() {
  const { range, startMs, endMs, refresh, zone } = page.range();
  const chosen = document.querySelector(`[data-range="${range}"]`);
  const label = chosen ? chosen.textContent : `${page.zone.dateTime(startMs)} – ${page.zone.moment(endMs, startMs)}`;
  part("range-label").textContent = label;
  part("refresh-label").textContent = refresh;
  part("own-zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
  mark("range", range);
  mark("refresh", refresh);
  mark("zone", zone);
  for (const link of document.querySelectorAll("a[data-carry]")) {
    link.href = recarrying(link.getAttribute("href"), location.search);
  }
  const login = part("login");
  login.href = `${login.getAttribute("href").split("?")[0]}?next=${encodeURIComponent(location.pathname + location.search).replaceAll("%2F", "/")}`;
  showClock();
}

function mark(name, value) {
  for (const choice of document.querySelectorAll(`[data-${name}]`)) {
    if (choice.dataset[name] === value) choice.setAttribute("aria-current", "true");
    else choice.removeAttribute("aria-current");
  }
}

function showClock() {
  const nowMs = page.nowMs();
  setText(document.getElementById("clock"), `${page.zone.hourMinute(nowMs)} ${page.zone.label(nowMs)}`);
}

setUp();
