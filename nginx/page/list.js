// List shows the book and the outbox, newest first, with what is being sent above all.

import { focusOn, setText } from "./dom.js";
import { fold, setTabStop, showEntry, showItem, unfold, walk } from "./entry.js";
import { Place } from "./place.js";
import { MOST_HELD_ENTRIES } from "./reader.js";
import { Failure } from "./server.js";

const DRAW_INTERVAL_MS = 200; // between two drawings of entries that come
const NEW_MS = 5000; // that an entry is marked as new
const AHEAD_PX = 400; // below the window, where older entries begin to load

export class List {
  #shown = new Map(); // by an entry's id or an item's key: { li, text }
  #news = new Set(); // ids of entries to be marked as new
  #unseen = 0; // entries that came while the top was out of sight
  #tabStop = null; // the entry whose link the Tab key reaches
  #timer = 0; // of the next drawing
  #isReading = false;
  #failure = ""; // of the last reading, which waits until the guestbook is back

  // ul, older, state and fresh are elements; act has what an item's buttons do: retry, edit and discard.
  constructor({ ul, older, state, fresh }, reader, outbox, own, act) {
    Object.assign(this, { ul, older, state, fresh, reader, book: reader.book, outbox, own, act });
    this.place = new Place(ul);
    older.addEventListener("click", () => {
      // A screen reader can press it out of sight, and goes on reading there.
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

  // add shows new entries after a moment, because they may come in a burst. Without entries, add shows the book at once.
  add(entries) {
    for (const { id } of entries) this.#news.add(id);
    if (!this.place.isAtTop) this.#unseen += entries.length;
    if (entries.length === 0) this.show();
    else this.#timer ||= setTimeout(() => this.show(), DRAW_INTERVAL_MS);
  }

  // show brings the document in line with book and outbox, without moving what is being read.
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

  // retry reads again what could not be read.
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

  // goTo shows the entry with this id, and resolves to whether it exists.
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

  // goToTop shows the newest entries.
  async goToTop() {
    if (this.book.isBehind) await this.#read(() => this.reader.newest());
    if (this.book.isBehind) return; // they cannot be read now
    this.#unseen = 0;
    this.show();
  }

  // inSight returns the book's entries in sight, oldest first.
  inSight() {
    const ids = this.place.inSight().map(({ id }) => id);
    return this.book.entries.filter(({ id }) => ids.includes(`e${id}`));
  }

  // #read does one reading of the book at a time, and shows how it failed.
  async #read(read) {
    if (this.#isReading) return;
    this.#isReading = true;
    this.older.classList.add("busy");
    try {
      await read();
      this.#failure = "";
    } catch (failure) {
      this.#failure = failure.message;
      if (!(failure instanceof Failure)) throw failure;
    } finally {
      this.#isReading = false;
      this.older.classList.remove("busy");
      this.#summarize();
    }
    // No scroll event comes if the reader has scrolled exactly as far as the list was held back, so #look runs here.
    requestAnimationFrame(() => this.#look());
  }

  // #look reads what is about to come into sight.
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
    // A button that has the focus is left to be pressed.
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
