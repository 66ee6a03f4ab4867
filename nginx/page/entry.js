// An entry in the document: in the book, or on its way into it.

import { announce } from "./announcer.js";
import { buttonElement, element, focusOn } from "./dom.js";
import { isFailed } from "./outbox.js";

const COPIED_MS = 2000; // that "Copied" is shown

function entryElement(text) {
  const li = element("li", "");
  const words = element("p", "words", text);
  words.dir = "auto";
  words.lang = ""; // unknown
  li.append(words);
  return li;
}

// showEntry makes an entry of the book: { li, text }. Its "#" is style, so that it is not copied with the text.
export function showEntry({ id, text }, isOwn) {
  const li = entryElement(text);
  li.id = `e${id}`;
  if (isOwn) li.append(element("p", "note", "Yours"));
  const link = element("a", "link");
  link.href = `#${li.id}`;
  link.setAttribute("aria-label", "Copy the link to this entry");
  link.addEventListener("click", () => copyLink(link));
  li.append(link);
  stopAt(li, false);
  return { li, text };
}

// stopAt makes an entry's link the one that the Tab key leads to and screen readers know of, or takes that from it.
export function stopAt(li, isStop) {
  const link = li.querySelector(".link");
  link.tabIndex = isStop ? 0 : -1;
  link.setAttribute("aria-hidden", !isStop);
}

async function copyLink(link) {
  const address = location.origin + location.pathname + location.search + link.hash;
  if (!await copy(address)) return;
  link.dataset.said = "Copied";
  announce("The link is copied.");
  setTimeout(() => delete link.dataset.said, COPIED_MS);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages that come by plain http have no clipboard, and a browser may refuse it.
  }
  const field = element("textarea", "unseen", text);
  const focused = document.activeElement;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused.focus({ preventScroll: true });
  return isCopied;
}

// showItem shows an item of the outbox as it stands; shown is how it was shown before, if it was. act has what its buttons do:
// retry, edit and discard.
export function showItem(item, shown, act) {
  shown ??= { li: entryElement(item.text), text: item.text };
  const { li } = shown;
  const failed = isFailed(item);
  const offer = failed || item.isSlow;
  const note = (item.isSlow || item.state !== "held") && item.reason || "Sending";
  if (shown.note === note && shown.offer === offer && shown.failed === failed) return shown;
  Object.assign(shown, { note, offer, failed });
  const focused = li.contains(document.activeElement);
  li.className = failed ? "failed" : "pending";
  li.querySelector(".fate")?.remove();
  const fate = element("div", "fate");
  fate.append(element("p", "note", note));
  const button = (name, label) => {
    const node = buttonElement(name, label);
    node.addEventListener("click", () => act[name](item));
    fate.append(node);
  };
  if (failed) button("retry", "Retry");
  if (offer) button("edit", "Edit");
  if (offer) button("discard", failed ? "Discard" : "Cancel");
  li.append(fate);
  if (focused) focusOn(li);
  return shown;
}

// fold shortens long entries: else one visitor could bury the book.
export function fold(all) {
  const tall = all.filter(({ li }) => {
    const words = li.querySelector(".words");
    return !li.querySelector(".more") && words.scrollHeight > words.clientHeight + 2;
  });
  for (const { li } of tall) {
    const more = buttonElement("more", "Show all");
    more.setAttribute("aria-expanded", false);
    more.addEventListener("click", () => {
      const open = li.classList.toggle("open");
      more.setAttribute("aria-expanded", open);
      more.textContent = open ? "Show less" : "Show all";
      if (!open) li.scrollIntoView({ block: "nearest" });
    });
    li.querySelector(".words").after(more);
  }
}

// unfold opens an entry inside which the browser has scrolled: to what was searched for, or to what a link's text leads to.
export function unfold(words) {
  const top = words.scrollTop;
  if (top === 0) return;
  words.parentElement.querySelector(".more")?.click();
  window.scrollBy({ top, behavior: "instant" });
}

// walk leads from entry to entry: the list is one stop of the Tab key. An arrow scrolls until the entry's end is in sight.
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
