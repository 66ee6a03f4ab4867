// This module finds and creates DOM elements, and moves the focus.

export function byId(id) {
  return document.getElementById(id);
}

export function element(name, className, text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

// setText() changes a node's text only if the new text differs, because a screen reader reads each change aloud.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// focusOn() moves the focus to an entry and scrolls to the entry. If there is no entry, focusOn() moves the focus to the text
// field.
export function focusOn(li, scroll = true) {
  if (li) li.tabIndex = -1;
  (li ?? byId("text")).focus({ preventScroll: !li || !scroll });
}
