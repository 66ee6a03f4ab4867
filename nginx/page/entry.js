// This module renders entries of the guestbook and unsent entries.

import { element, focusOn } from "./dom.js";
import { LOOK_FIRST, isFailed } from "./outbox.js";
import { announce } from "./status.js";

const COPIED_MS = 2000; // how long the link shows "Copied"

function entryElement(text) {
  const li = element("li", "");
  li.append(Object.assign(element("p", "words", text), { dir: "auto", lang: "" })); // an empty "lang" means an unknown language
  return li;
}

// showEntry() renders an entry of the guestbook, and returns { li, text }. The "#" of the entry's link comes from style.css, so that a
// visitor who copies the list does not copy the "#".
export function showEntry({ id, text }, isOwn) {
  const li = entryElement(text);
  li.id = `e${id}`;
  if (isOwn) li.append(element("p", "note", "Yours"));
  const link = Object.assign(element("a", "link"), { href: `#${li.id}` });
  link.setAttribute("aria-label", "Copy the link to this entry");
  link.addEventListener("click", () => copyLink(link));
  li.append(link);
  setTabStop(li, false);
  return { li, text };
}

// setTabStop() sets whether the Tab key and screen readers reach an entry's link.
export function setTabStop(li, isStop) {
  const link = li.querySelector(".link");
  link.tabIndex = isStop ? 0 : -1;
  link.setAttribute("aria-hidden", !isStop);
}

function copyLink(link) {
  if (!copy(location.origin + location.pathname + location.search + link.hash)) return;
  link.dataset.said = "Copied";
  announce("The link is copied.");
  setTimeout(() => delete link.dataset.said, COPIED_MS);
}

// copy() puts a text into the clipboard by a hidden text field, because pages over plain http have no navigator.clipboard.
function copy(text) {
  const field = element("textarea", "unseen", text);
  const focused = document.activeElement;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused.focus({ preventScroll: true });
  return isCopied;
}

// showItem() renders an unsent entry, which is an item of the Outbox. The parameter "shown" is the previous result of showItem() for the
// same item. The object "act" has one function for each button of the item: "retry", "edit" and "discard".
export function showItem(item, shown = { li: entryElement(item.text), text: item.text }, act) {
  const { li } = shown;
  const failed = isFailed(item);
  const note = (item.isSlow || item.state !== "held") && item.reason || "Sending";
  const buttons = failed ? { ...(item.reason !== LOOK_FIRST && { retry: "Retry" }), edit: "Edit", discard: "Discard" }
    : item.isSlow ? { edit: "Edit", discard: "Cancel" } : {};
  const look = JSON.stringify([note, buttons]);
  if (shown.look === look) return shown;
  shown.look = look;
  const focused = li.contains(document.activeElement);
  li.classList.toggle("failed", failed); // keeps the class "open" of fold()
  li.classList.toggle("pending", !failed);
  li.querySelector(".fate")?.remove();
  const fate = element("div", "fate");
  fate.append(element("p", "note", note));
  for (const [name, label] of Object.entries(buttons)) {
    const button = element("button", name, label);
    button.addEventListener("click", () => act[name](item));
    fate.append(button);
  }
  li.append(fate);
  if (focused) focusOn(li);
  return shown;
}

// fold() adds a button "Show all" to each tall entry. style.css shortens tall entries, so that one entry does not fill the page.
export function fold(all) {
  const tall = all.map(({ li }) => li.querySelector(".words"))
    .filter((words) => !words.nextElementSibling?.matches(".more") && words.scrollHeight > words.clientHeight + 2);
  for (const words of tall) {
    const li = words.parentElement;
    const more = element("button", "more", "Show all");
    more.setAttribute("aria-expanded", false);
    more.addEventListener("click", () => {
      const isOpen = li.classList.toggle("open");
      more.setAttribute("aria-expanded", isOpen);
      more.textContent = isOpen ? "Show less" : "Show all";
      if (!isOpen) li.scrollIntoView({ block: "nearest" });
    });
    words.after(more);
  }
}

// unfold() opens a shortened entry in which the browser has scrolled to a search result, or to the text fragment of a link.
export function unfold(words) {
  const top = words.scrollTop;
  if (top === 0) return;
  words.parentElement.querySelector(".more")?.click();
  window.scrollBy({ top, behavior: "instant" });
}

// walk() moves the focus between entries when the visitor presses an arrow key, because the Tab key stops only once in the whole list.
// While the entry with the focus extends beyond the window, an arrow key scrolls the page instead of moving the focus.
export function walk(event) {
  const { key, target, altKey, ctrlKey, metaKey, shiftKey } = event;
  if (altKey || ctrlKey || metaKey || shiftKey) return;
  const li = target.closest("li");
  const { top, bottom } = li.getBoundingClientRect();
  const next = key === "ArrowDown" && bottom <= innerHeight ? li.nextElementSibling
    : key === "ArrowUp" && top >= 0 ? li.previousElementSibling : null;
  if (!next) return;
  event.preventDefault();
  focusOn(next);
}
