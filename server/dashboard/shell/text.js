// Text and elements. Text is only ever text: nothing here reads markup.

/** Set text only when it changed: a screen reader does not repeat it. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make an element: `make("td", {class: "error"}, "text", another)`. Attributes that are null or
 * false are left out; children are elements or text.
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A reply of the remote server as it is, cut at two lines, the rest on demand. */
export function replyElement(text) {
  if (!text) return make("span", { class: "quiet" }, "–");
  const box = make("code", { class: "words", tabindex: "0", title: "Click for all of it" }, text);
  const toggle = () => box.classList.toggle("open");
  box.addEventListener("click", toggle);
  box.addEventListener("keydown", (event) => event.key === "Enter" && toggle());
  return box;
}
