// The document: makes elements, finds those of index.html, and moves the focus.

export function byId(id) {
  return document.getElementById(id);
}

export function element(name, className, text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

export function buttonElement(className, label) {
  const button = element("button", className, label);
  button.type = "button";
  return button;
}

// setText says something again only if it is something else: a screen reader would repeat it.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// focusOn gives the focus to an entry, and scrolls to it, or to the field where there is none.
export function focusOn(li, scroll = true) {
  if (li) li.tabIndex = -1;
  (li ?? byId("text")).focus({ preventScroll: !li || !scroll });
}
