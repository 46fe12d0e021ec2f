// Keyboard: one key or two, one action; never while a field takes letters.

/** How long the second key of two may take. */
const CHORD_MS = 1_500;
/** Inputs that letters do nothing to; every other kind takes them as text. */
const WITHOUT_TEXT = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);

/** Whether what has the focus takes letters itself: a field of text, or a list that letters choose in. */
export function takesLetters({ tagName, type, isContentEditable }) {
  if (isContentEditable || tagName === "TEXTAREA" || tagName === "SELECT") return true;
  return tagName === "INPUT" && !WITHOUT_TEXT.has(type);
}

/** Call `actions["r"]()` when r is pressed, `actions["g q"]()` when g and then q are. */
export function setUpKeys(actions) {
  let first = null;
  let firstAtMs = 0;
  const begins = new Set(Object.keys(actions).filter((keys) => keys.includes(" ")).map((keys) => keys[0]));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (takesLetters(event.target)) return;
    const inTime = first !== null && event.timeStamp - firstAtMs < CHORD_MS;
    const action = (inTime && actions[`${first} ${event.key}`]) || actions[event.key];
    first = null;
    if (action) {
      event.preventDefault();
      action();
    } else if (begins.has(event.key)) {
      first = event.key;
      firstAtMs = event.timeStamp;
    }
  });
}
