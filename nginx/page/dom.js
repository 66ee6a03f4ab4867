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

// focusOn() scrolls to an entry and moves the focus to it, or to the text field if there is no entry.
export function focusOn(li, scroll = true) {
  if (li) li.tabIndex = -1;
  (li ?? byId("text")).focus({ preventScroll: !li || !scroll });
}
