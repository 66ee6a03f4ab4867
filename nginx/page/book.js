// Book holds consecutive entries of the guestbook. Book does not use the DOM.

export class Book {
  entries = []; // oldest first
  before; // an id: older entries are not loaded; null if all entries are loaded, undefined until the first read
  isBehind = false; // whether the Book lacks the newest entries of the guestbook
  last = -1; // id of the newest entry that a read or the event stream returned; the response to a POST does not count

  // After each change, Book calls changed(news) with an array of new entries, which may be empty.
  constructor(changed = () => {}) {
    this.changed = changed;
  }

  get isRead() {
    return this.before !== undefined;
  }

  get newest() {
    return Math.max(this.last, lastOf(this.entries));
  }

  // add() adds an entry from the event stream. Every entry from the event stream is newer than all entries that the page has read.
  add(entry) {
    const news = this.#merge([entry]);
    this.last = Math.max(this.last, entry.id);
    if (news.length > 0) this.changed(news);
  }

  // confirm() adds an entry that the visitor posted, even if the Book already has newer entries.
  confirm(entry) {
    this.#merge([entry]);
    this.changed([]);
  }

  // take() adds the newest entries of the guestbook to the Book. If the newest entries do not continue the Book's entries, take() first
  // empties the Book. With the parameter "instead", take() always empties the Book first.
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

  prepend({ entries, before }) {
    this.entries = [...entries, ...this.entries];
    this.before = before;
  }

  append({ entries, after }) {
    this.entries = [...this.entries, ...entries];
    this.isBehind = after !== null || lastOf(this.entries) < this.last;
  }

  // leap() replaces the Book's entries by entries from another part of the guestbook.
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

  drop(gone) {
    this.entries = this.entries.filter((entry) => !gone.includes(entry));
    this.changed([]);
  }

  // #merge() inserts entries into the Book, and returns the entries that are new. While isBehind is true, #merge() inserts nothing, so that
  // no entry is missing between two entries of the Book.
  #merge(entries) {
    if (this.isBehind) return entries.filter(({ id }) => id > this.last);
    const isHeld = ({ id }) => id >= (this.before ?? 0);
    const known = new Set(this.entries.map(({ id }) => id));
    const news = entries.filter((entry) => !known.has(entry.id) && isHeld(entry));
    this.entries = [...this.entries.filter(isHeld), ...news].sort((a, b) => a.id - b.id);
    return news;
  }

  // #continues() reports whether the server's entries overlap or adjoin the Book's entries. Entries with the same id must have the same
  // text. The Book may have later entries than the server's response, because a Redis slave may lag behind.
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
