// Book holds a part of the guestbook, with nothing missing inside it. It knows nothing of the document.

export class Book {
  entries = []; // oldest first
  before; // id before which older entries go on; null at the beginning of the book, undefined until a page was read
  isBehind = false; // whether newer entries exist that are not held here
  last = -1; // id of the newest entry read; one's own are not read but known

  // changed receives the entries that are new to everybody here.
  constructor(changed = () => {}) {
    this.changed = changed;
  }

  get isRead() {
    return this.before !== undefined;
  }

  get newest() {
    return Math.max(this.last, lastOf(this.entries));
  }

  // add takes an entry that came after all that was read.
  add(entry) {
    const news = this.#merge([entry]);
    this.last = Math.max(this.last, entry.id);
    if (news.length > 0) this.changed(news);
  }

  // confirm takes one's own entry, which may be older than what is known.
  confirm(entry) {
    this.#merge([entry]);
    this.changed([]);
  }

  // take merges a page of the newest entries, or replaces what is known if the page does not continue it.
  take({ entries, before }, instead = false) {
    if (instead || (this.isRead && !this.isBehind && !this.#continues(entries, before))) {
      Object.assign(this, { entries: [], before: undefined, isBehind: false, last: -1 });
    }
    const wasRead = this.isRead;
    if (!wasRead) this.before = before;
    const news = this.#merge(entries);
    this.last = Math.max(this.last, lastOf(entries));
    this.changed(wasRead ? news : []);
  }

  // prepend takes a page of entries read from this.before.
  prepend({ entries, before }) {
    this.entries = [...entries, ...this.entries];
    this.before = before;
  }

  // append takes a page of entries read from the last one held.
  append({ entries, after }) {
    this.entries = [...this.entries, ...entries];
    this.isBehind = after !== null || lastOf(this.entries) < this.last;
  }

  // leap replaces what is held by another part of the book.
  leap(page) {
    this.entries = [];
    this.before = page.before;
    this.append(page);
  }

  keepNewest(count) {
    if (this.entries.length <= count) return;
    this.entries = this.entries.slice(-count);
    this.before = this.entries[0].id;
  }

  keepOldest(count) {
    if (this.entries.length <= count) return;
    this.entries = this.entries.slice(0, count);
    this.isBehind = true;
  }

  // drop removes entries that are no longer in the book.
  drop(gone) {
    this.entries = this.entries.filter((entry) => !gone.includes(entry));
    this.changed([]);
  }

  // #merge inserts entries, unless a gap would be before them, and returns the new ones.
  #merge(entries) {
    if (this.isBehind) return entries.filter(({ id }) => id > this.last);
    const isHeld = ({ id }) => id >= (this.before ?? 0);
    const known = new Set(this.entries.map(({ id }) => id));
    const news = entries.filter((entry) => !known.has(entry.id) && isHeld(entry));
    this.entries = [...this.entries.filter(isHeld), ...news].sort((a, b) => a.id - b.id);
    return news;
  }

  // #continues reports whether no entry is missing between the book and a page, and none was changed. A page that ends earlier
  // than the book is from a replica that lags behind.
  #continues(entries, before) {
    if (before !== null && before > this.last) return false;
    const read = new Map(entries.map(({ id, text }) => [id, text]));
    const [from, to] = [entries[0]?.id, lastOf(entries)];
    return this.entries.every(({ id, text }) => id < from || id > to || read.get(id) === text);
  }
}

function lastOf(entries) {
  return entries[entries.length - 1]?.id ?? -1;
}
