// List: shows book and outbox, newest first, what is being sent above all. The document has room for only so many entries: it
// is a window over the book.

import { focusOn, setText } from "./dom.js";
import { fold, showEntry, showItem, stopAt, unfold, walk } from "./entry.js";
import { Place } from "./place.js";
import { Failure } from "./server.js";

const PAGE_ENTRIES = 50; // by which the window moves
const MOST_SHOWN_ENTRIES = 1000; // in the document; half of them where it can choose
const BURST_INTERVAL_MS = 200; // between two drawings of what comes
const NEW_MS = 5000; // that an entry is marked as new

export class List {
  #shown = new Map(); // by an entry's id or an item's key: { li, text }
  #from = -Infinity; // the ids of the window's entries: from the first to the last
  #to = Infinity;
  #news = []; // entries to be marked as new
  #unseen = 0; // entries that came while the top was out of sight
  #stop = null; // the entry whose link the Tab key leads to
  #timer = 0;
  #drawnAt = 0;
  #isReading = false;
  #failure = null; // of reading older entries, and where: not again by itself

  // ul, older, state and fresh are elements; act has what an item's buttons do: retry, edit and discard.
  constructor({ ul, older, state, fresh }, reader, outbox, own, act) {
    Object.assign(this, { ul, older, state, fresh, reader, book: reader.book, outbox, own, act });
    this.place = new Place(ul);
    older.addEventListener("click", () => {
      // A screen reader can press it out of sight. Who reads so is down there now: who is at the top is shown the newest.
      older.scrollIntoView({ block: "nearest", behavior: "instant" });
      this.loadOlder();
    });
    fresh.addEventListener("click", async () => {
      await this.goToTop();
      focusOn(ul.firstElementChild);
      window.scrollTo(0, 0);
    });
    ul.addEventListener("keydown", walk);
    ul.addEventListener("focusin", ({ target }) => this.#stopAt(target.closest("li")));
    ul.addEventListener("scroll", ({ target }) => unfold(target), { capture: true, passive: true });
    window.addEventListener("scroll", () => this.#look(), { passive: true });
    window.addEventListener("resize", () => {
      this.place.forget();
      fold([...this.#shown.values()]);
      this.#look();
    });
  }

  // add shows entries that have come: at once, or in a moment if they come in a burst.
  add(entries) {
    entries = entries.filter((entry) => !this.outbox.claims(entry));
    this.#news.push(...entries);
    if (!this.place.isAtTop) this.#unseen += entries.length;
    const delay = this.#drawnAt + BURST_INTERVAL_MS - performance.now();
    if (delay <= 0) this.show();
    else this.#timer ||= setTimeout(() => this.show(), delay);
  }

  // show brings the document in line with book and outbox, without moving what is being read.
  show() {
    this.#render();
    this.#look();
  }

  #render() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#drawnAt = performance.now();
    if (!this.book.isRead) this.#showAll();
    if (this.#to === Infinity && this.#entries().length > MOST_SHOWN_ENTRIES) this.#makeRoom();
    this.place.keep(() => this.#draw());
    this.#summarize();
  }

  async loadOlder() {
    if (this.older.hidden) return;
    const { book } = this;
    const first = this.#entries()[0]?.id ?? book.before;
    await this.#whileReading(async () => {
      if (book.indexOf(first) === 0) await this.reader.older();
      const i = Math.max(0, book.indexOf(first) - PAGE_ENTRIES);
      this.#from = i === 0 ? -Infinity : book.entries[i].id;
      if (book.entries[i + MOST_SHOWN_ENTRIES]?.id <= this.#to) this.#to = book.entries[i + MOST_SHOWN_ENTRIES - 1].id;
      const focused = document.activeElement === this.older;
      this.show();
      if (focused) focusOn(this.#shown.get(book.entries[book.indexOf(first) - 1]?.id)?.li);
    });
  }

  // goTo shows the entry with this id, and resolves to whether there is one.
  async goTo(id) {
    this.ul.querySelector(".linked")?.classList.remove("linked");
    if (!await this.reader.find(id)) return false;
    const { entries } = this.book;
    const i = this.book.indexOf(id);
    this.#from = entries[i - MOST_SHOWN_ENTRIES / 4]?.id ?? -Infinity;
    this.#to = entries[i + MOST_SHOWN_ENTRIES / 4]?.id ?? Infinity;
    this.#render();
    const { li } = this.#shown.get(id);
    li.classList.add("linked");
    focusOn(li);
    li.scrollIntoView({ block: "center" });
    this.#look();
    return true;
  }

  // goToTop shows the newest entries, and keeps a page that is left open for weeks small.
  async goToTop() {
    if (this.book.isBehind) await this.#whileReading(() => this.reader.newest());
    if (this.book.isBehind) return; // they cannot be read now
    this.#showAll();
    if (this.book.entries.length > MOST_SHOWN_ENTRIES) this.book.letGo(MOST_SHOWN_ENTRIES / 2);
    this.#unseen = 0;
    this.show();
  }

  // inSight is the entries in sight, oldest first.
  inSight() {
    const seen = new Set(this.place.inSight().map(({ id }) => id));
    return this.#entries().filter(({ id }) => seen.has(`e${id}`));
  }

  get #hasFailed() {
    return this.#failure !== null && this.#failure.before === this.book.before;
  }

  #showAll() {
    [this.#from, this.#to] = [-Infinity, Infinity];
  }

  #entries() {
    return this.book.entries.slice(this.book.indexOf(this.#from), this.book.indexOf(this.#to + 1));
  }

  // #makeRoom lets the oldest go, unless that is what is being read: then what comes is not shown yet.
  #makeRoom() {
    if (this.place.isAtTop) this.book.letGo(MOST_SHOWN_ENTRIES / 2);
    else this.#to = this.#entries()[MOST_SHOWN_ENTRIES - 1].id;
  }

  // #whileReading does one reading of the book at a time, and says how it failed.
  async #whileReading(read) {
    if (this.#isReading) return;
    this.#isReading = true;
    this.older.classList.add("busy");
    try {
      await read();
      this.#failure = null;
    } catch (failure) {
      this.#failure = { before: this.book.before, message: failure.message };
      if (!(failure instanceof Failure)) throw failure;
    } finally {
      this.#isReading = false;
      this.older.classList.remove("busy");
      this.#summarize();
    }
    // When the reader has scrolled as far as the list was just held back, no event tells of it.
    requestAnimationFrame(() => this.#look());
  }

  // #look does what follows from what is in sight.
  #look() {
    const { book, ul } = this;
    const isFar = this.#to < Infinity || book.isBehind;
    if (this.place.isAtTop && !book.isBehind && (isFar || this.#unseen > 0)) this.goToTop();
    else if (this.#hasFailed) return;
    else if (this.place.isAtTop && isFar) this.goToTop();
    else if (isFar && ul.getBoundingClientRect().top > -2 * innerHeight) this.#showNewer();
    // Not from under the fingers of who is about to press it.
    else if (this.older.getBoundingClientRect().top < innerHeight + 400 && document.activeElement !== this.older) this.loadOlder();
  }

  #showNewer() {
    const { book } = this;
    if (this.#to >= book.entries[book.entries.length - 1]?.id) {
      this.#whileReading(async () => {
        await this.reader.newer();
        this.#moveUp();
      });
    } else this.#moveUp();
  }

  #moveUp() {
    const { entries } = this.book;
    const i = Math.min(this.book.indexOf(this.#to) + 2 * PAGE_ENTRIES, entries.length);
    this.#to = entries[i]?.id ?? Infinity;
    if (i - MOST_SHOWN_ENTRIES > this.book.indexOf(this.#from)) this.#from = entries[i - MOST_SHOWN_ENTRIES].id;
    this.show();
  }

  #draw() {
    const { ul } = this;
    const wanted = new Map();
    for (const item of [...this.outbox.items.values()].reverse()) {
      wanted.set(item.key, showItem(item, this.#shown.get(item.key), this.act));
    }
    const entries = this.#entries().filter((entry) => !this.outbox.claims(entry));
    for (const entry of entries.reverse()) {
      const shown = this.#shown.get(entry.id);
      wanted.set(entry.id, shown?.text === entry.text ? shown : showEntry(entry, this.own.has(entry)));
    }
    const focused = document.activeElement.closest("li");
    const index = [...ul.children].indexOf(focused);
    for (const [key, { li }] of this.#shown) if (wanted.get(key)?.li !== li) li.remove();
    let at = ul.firstElementChild;
    const added = [];
    for (const shown of wanted.values()) {
      if (shown.li === at) at = at.nextElementSibling;
      else {
        ul.insertBefore(shown.li, at);
        added.push(shown);
      }
    }
    this.#shown = wanted;
    fold(added);
    this.#mark();
    if (focused && !focused.isConnected) focusOn(ul.children[index] ?? ul.lastElementChild, false);
    if (!ul.contains(document.activeElement)) this.#stopAt(ul.querySelector("li[id]"));
  }

  #mark() {
    const marked = this.#news.map(({ id }) => this.#shown.get(id)?.li).filter(Boolean);
    this.#news = [];
    for (const li of marked) li.classList.add("new");
    setTimeout(() => marked.forEach((li) => li.classList.remove("new")), NEW_MS);
  }

  #summarize() {
    const { book, state, fresh, older, ul } = this;
    older.hidden = !book.isRead || (book.before === null && this.#from === -Infinity);
    if (book.isRead) {
      state.hidden = !older.hidden;
      state.className = ul.childElementCount === 0 ? "empty" : "";
      setText(state, state.className ? "No entries yet. The first page is yours." : "This is where the book begins.");
    }
    setText(older, this.#hasFailed ? `${this.#failure.message} Try again` : "Older entries");
    fresh.hidden = this.#unseen === 0;
    fresh.textContent = this.#unseen === 1 ? "1 new entry" : `${this.#unseen} new entries`;
  }

  #stopAt(li) {
    if (!li?.id || li === this.#stop) return;
    if (this.#stop) stopAt(this.#stop, false);
    this.#stop = li;
    stopAt(li, true);
  }
}
