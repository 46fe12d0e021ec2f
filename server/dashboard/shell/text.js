// Text and elements. Text is only ever text: nothing here reads markup.

/** The part of the page that templates call `data-part="name"`. */
export const part = (name) => document.querySelector(`[data-part="${name}"]`);

/** Set text only when it changed: a screen reader does not repeat it. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set `data-name` only when it changed: each write restyles all that a rule ties to it. */
export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
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

/** A reply of the remote server as it is, cut at two lines, the rest on demand; as shell/reply.html. */
export function replyElement(text) {
  if (!text) return make("span", { class: "quiet" }, "–");
  return make("details", { class: "words-cut" }, make("summary", {}, make("code", {}, text)));
}

/** A name with the colour and stroke of its line; `meaning` is a class of swatch, such as "delivered". */
export function swatch(tag, { name, meaning, colour, stroke }, attributes = {}) {
  const made = make(tag, { ...attributes, class: `swatch swatch-${meaning ?? "plain"}${stroke ? ` stroke-${stroke}` : ""}` }, name);
  if (colour) made.style.setProperty("--mark", `var(--${colour})`);
  return made;
}
