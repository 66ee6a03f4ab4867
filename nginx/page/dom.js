// DOM finds and makes elements, and moves the focus.

export function byId(id) {
  return document.getElementById(id);
}

export function element(name, className, text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

// setText changes a text only if it differs, because a screen reader would say it again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// focusOn moves the focus to an entry and scrolls to it, or moves it to the field if there is no entry.
export function focusOn(li, scroll = true) {
  if (li) li.tabIndex = -1;
  (li ?? byId("text")).focus({ preventScroll: !li || !scroll });
}
