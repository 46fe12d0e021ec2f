// Keys lead everywhere, whatever has the focus, but never while somebody types.

import assert from "node:assert/strict";
import { test } from "node:test";

let listen = null;
globalThis.document = { addEventListener: (_, listener) => (listen = listener) };
const { setUpKeys, takesLetters } = await import("../controls/keys.js");

const element = (tagName, type = "") => ({ tagName, type, isContentEditable: false });
const done = [];
setUpKeys({ r: () => done.push("r"), "g q": () => done.push("g q") });

/** Press keys one after another on an element; return what they did. */
function pressed(keys, target = element("BODY"), more = {}) {
  done.length = 0;
  [...keys].forEach((key, i) => listen({ key, target, timeStamp: 100 * i, preventDefault() {}, ...more }));
  return [...done];
}

test("a key does its work when a button, a link, a box or a choice has the focus", () => {
  for (const target of [element("BODY"), element("BUTTON", "button"), element("A"), element("SUMMARY"), element("INPUT", "checkbox"), element("INPUT", "radio")]) {
    assert.deepEqual(pressed("r", target), ["r"], target.tagName + target.type);
  }
});

test("fields of text keep their letters, and so does a list that letters choose in", () => {
  const editable = { ...element("DIV"), isContentEditable: true };
  for (const target of [element("INPUT", "text"), element("INPUT", "search"), element("INPUT", "datetime-local"), element("TEXTAREA"), element("SELECT", "select-one"), editable]) {
    assert.ok(takesLetters(target));
    assert.deepEqual(pressed("rgq", target), []);
  }
});

test("two keys make one action within their time, and a key held with Ctrl is the browser's", () => {
  assert.deepEqual(pressed("gq"), ["g q"]);
  assert.deepEqual(pressed("gxq"), []);
  assert.deepEqual(pressed("r", element("BODY"), { ctrlKey: true }), []);
});
