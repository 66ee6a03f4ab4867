// List renders the unsent entries of the Outbox, and below them the entries of the Book, newest first.

import { focusOn, setText } from "./dom.js";
import { fold, setTabStop, showEntry, showItem, unfold, walk } from "./entry.js";
import { Place } from "./place.js";
import { MOST_HELD_ENTRIES } from "./reader.js";
import { Failure, retryDelay } from "./server.js";

const DRAW_INTERVAL_MS = 200; // the list renders new entries at most this often
const NEW_MS = 5000; // how long an entry is marked as new
const RETRY_FAILURES = 4; // the list retries a failed read after retryDelay(RETRY_FAILURES), which is 6 to 10 s
const AHEAD_PX = 400; // older entries load when the end of the list is this close to the window

export class List {
  #shown = new Map(); // maps the id of an entry, or the key of an unsent item, to { li, text }
  #news = new Set(); // ids of entries to mark as new in the next rendering
  #unseen = 0; // number of entries that arrived while the top of the list was out of sight, or the Book was behind
  #tabStop = null; // the li whose link the Tab key reaches
  #timer = 0;
  #retryTimer = 0;
  #isReading = false;
  #failure = ""; // the error message of the last read; empty if the last read succeeded

  // The element "ul" is the list, "state" the message below it, "older" the button "Older entries", and "fresh" the button that counts new
  // entries. The object "act" has one function for each button of an unsent entry: "retry", "edit" and "discard".
  constructor({ ul, older, state, fresh }, reader, outbox, own, act) {
    Object.assign(this, { ul, older, state, fresh, reader, book: reader.book, outbox, own, act });
    this.place = new Place(ul);
    older.addEventListener("click", () => {
      // While the visitor is at the top of a long list, #render() keeps only the newest entries. A screen reader can press the button
      // "Older entries" without scrolling, so this function scrolls to the button.
      older.scrollIntoView({ block: "nearest", behavior: "instant" });
      this.loadOlder();
    });
    fresh.addEventListener("click", async () => {
      await this.goToTop();
      focusOn(ul.firstElementChild);
      window.scrollTo(0, 0);
    });
    ul.addEventListener("keydown", walk);
    ul.addEventListener("focusin", ({ target }) => this.#setTabStop(target.closest("li")));
    ul.addEventListener("scroll", ({ target }) => unfold(target), { capture: true, passive: true });
    window.addEventListener("scroll", () => this.#look(), { passive: true });
    window.addEventListener("resize", () => {
      this.place.forget();
      fold([...this.#shown.values()]);
      this.#look();
    });
  }

  // add() waits for DRAW_INTERVAL_MS, and then renders all new entries together. Without new entries, as after a removal, add() renders at
  // once.
  add(entries) {
    for (const { id } of entries) this.#news.add(id);
    if (!this.place.isAtTop || this.book.isBehind) this.#unseen += entries.length;
    if (entries.length === 0) this.show();
    else this.#timer ||= setTimeout(() => this.show(), DRAW_INTERVAL_MS);
  }

  // show() renders the Book and the Outbox, without moving the entries that the visitor is reading.
  show() {
    this.#render();
    this.#look();
  }

  #render() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.book.entries.length > MOST_HELD_ENTRIES) {
      if (this.place.isAtTop) this.book.keepNewest(MOST_HELD_ENTRIES / 2);
      else this.book.keepOldest(MOST_HELD_ENTRIES);
    }
    this.place.keep(() => this.#draw());
    this.#summarize();
  }

  retry() {
    this.#failure = "";
    this.show();
  }

  async loadOlder() {
    if (this.older.hidden) return;
    const [oldest] = this.book.entries;
    await this.#read(async () => {
      await this.reader.older();
      const isFocused = document.activeElement === this.older;
      this.show();
      const { entries } = this.book;
      if (isFocused) focusOn(this.#shown.get(entries[entries.indexOf(oldest) - 1]?.id)?.li);
    });
  }

  // goTo() scrolls to the entry with the given id, and resolves to false if there is no such entry.
  async goTo(id) {
    this.ul.querySelector(".linked")?.classList.remove("linked");
    if (!await this.reader.find(id)) return false;
    this.#render();
    const { li } = this.#shown.get(id);
    li.classList.add("linked");
    focusOn(li);
    li.scrollIntoView({ block: "center" });
    this.#look();
    return true;
  }

  // goToTop() reads and renders the newest entries.
  async goToTop() {
    if (this.book.isBehind) await this.#read(() => this.reader.newest());
    if (this.book.isBehind) return; // the newest entries could not be read
    this.#unseen = 0;
    this.show();
  }

  // inSight() returns the entries of the Book that are inside the window, oldest first.
  inSight() {
    const ids = this.place.inSight().map(({ id }) => id);
    return this.book.entries.filter(({ id }) => ids.includes(`e${id}`));
  }

  // #read() calls the function read(), unless an earlier read is still running. If read() fails, the list shows the error message. If
  // the Book lacks the newest entries, the list later retries the failed read by itself.
  async #read(read) {
    if (this.#isReading) return;
    this.#isReading = true;
    this.older.classList.add("busy");
    try {
      await read();
      this.#failure = "";
    } catch (failure) {
      this.#failure = failure.message;
      clearTimeout(this.#retryTimer);
      if (this.book.isBehind) this.#retryTimer = setTimeout(() => this.retry(), retryDelay(RETRY_FAILURES, failure));
      if (!(failure instanceof Failure)) throw failure;
    } finally {
      this.#isReading = false;
      this.older.classList.remove("busy");
      this.#summarize();
    }
    // If place.keep() scrolls the list back to its place, the browser sends no scroll event, so #read() calls #look() itself.
    requestAnimationFrame(() => this.#look());
  }

  // #look() reads older or newer entries when they are about to scroll into the window.
  #look() {
    const { book, place, older } = this;
    if (place.isAtTop && !book.isBehind && this.#unseen > 0) this.goToTop();
    else if (this.#failure) return;
    else if (book.isBehind && place.isAtTop) this.goToTop();
    else if (book.isBehind && this.ul.getBoundingClientRect().top > -2 * innerHeight) {
      this.#read(async () => {
        await this.reader.newer();
        this.show();
      });
    // While the button "Older entries" has the focus, older entries load only if the visitor presses the button.
    } else if (older.getBoundingClientRect().top < innerHeight + AHEAD_PX && document.activeElement !== older) this.loadOlder();
  }

  #draw() {
    const { ul, outbox, own } = this;
    const wanted = new Map();
    for (const item of [...outbox.items.values()].reverse()) {
      wanted.set(item.key, showItem(item, this.#shown.get(item.key), this.act));
    }
    for (const entry of [...this.book.entries].reverse()) {
      if (outbox.claims(entry)) continue;
      const shown = this.#shown.get(entry.id);
      wanted.set(entry.id, shown?.text === entry.text ? shown : showEntry(entry, own.has(entry)));
    }
    const focused = document.activeElement.closest("li");
    const index = [...ul.children].indexOf(focused);
    for (const [key, { li }] of this.#shown) if (wanted.get(key)?.li !== li) li.remove();
    let next = ul.firstElementChild;
    for (const { li } of wanted.values()) {
      if (li === next) next = next.nextElementSibling;
      else ul.insertBefore(li, next);
    }
    const added = [...wanted].filter(([key, { li }]) => this.#shown.get(key)?.li !== li);
    this.#shown = wanted;
    fold(added.map(([, shown]) => shown));
    for (const [key, { li }] of added) {
      if (!this.#news.has(key)) continue;
      li.classList.add("new");
      setTimeout(() => li.classList.remove("new"), NEW_MS);
    }
    this.#news.clear();
    if (focused && !focused.isConnected) focusOn(ul.children[index] ?? ul.lastElementChild, false);
    if (!ul.contains(document.activeElement)) this.#setTabStop(ul.querySelector("li[id]"));
  }

  #summarize() {
    const { book, state, fresh, older, ul } = this;
    older.hidden = typeof book.before !== "number";
    if (book.isRead) {
      state.hidden = !older.hidden;
      state.className = ul.childElementCount === 0 ? "empty" : "";
      setText(state, state.className ? "No entries yet. The first page is yours." : "This is where the book begins.");
    }
    setText(older, this.#failure ? `${this.#failure} Try again` : "Older entries");
    fresh.hidden = this.#unseen === 0;
    fresh.textContent = this.#unseen === 1 ? "1 new entry" : `${this.#unseen} new entries`;
  }

  #setTabStop(li) {
    if (!li?.id || li === this.#tabStop) return;
    if (this.#tabStop) setTabStop(this.#tabStop, false);
    this.#tabStop = li;
    setTabStop(li, true);
  }
}
