// Book: what the server is known to have. It knows nothing of the document.

export class Book {
  entries = []; // oldest first, with nothing missing between
  before; // where older ones go on, null at the beginning of the book; undefined until a page was read
  isBehind = false; // whether newer ones are missing: a link has led far back
  last = -1; // id of the newest entry read; one's own are not read but known
  #shorter = 0; // times in a row that an old pod's book was shorter than what is known

  // changed is told which entries are new to everybody here.
  constructor(changed = () => {}) {
    this.changed = changed;
  }

  get isRead() {
    return this.before !== undefined;
  }

  get newest() {
    return this.isBehind ? this.last : this.#end;
  }

  get #end() {
    return this.entries[this.entries.length - 1]?.id ?? -1;
  }

  // indexOf is where an entry is, or where it would be.
  indexOf(id) {
    let low = 0;
    for (let high = this.entries.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].id < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  find(id) {
    const entry = this.entries[this.indexOf(id)];
    return entry?.id === id ? entry : undefined;
  }

  // add takes an entry that came after all that was read.
  add(entry) {
    const isNews = entry.id > this.last;
    this.last = Math.max(this.last, entry.id);
    const news = this.isBehind ? [entry].filter(() => isNews) : this.#insert([entry]);
    if (news.length > 0) this.changed(news);
  }

  // confirm takes one's own entry, which may be older than what is known.
  confirm(entry) {
    if (!this.isBehind && (typeof this.before !== "number" || entry.id >= this.before)) this.#insert([entry]);
    this.changed([]);
  }

  // take takes a page of the newest entries: beside what is known if it continues that, else instead.
  take({ entries, before, old }, instead = false) {
    const newest = entries[entries.length - 1]?.id ?? -1;
    let news;
    if (this.isBehind && !instead) news = entries.filter(({ id }) => id > this.last);
    else {
      if (instead || (this.isRead && !this.#continues(entries, before, old))) this.clear();
      const wasRead = this.isRead;
      if (!wasRead) {
        this.before = before;
        this.entries.splice(0, this.indexOf(before ?? 0)); // one's own, found to be older than this page
      }
      news = this.#insert(entries.filter(({ id }) => id >= (this.before ?? 0)));
      if (!wasRead) news = [];
    }
    this.last = Math.max(this.last, newest);
    this.changed(news);
  }

  // prepend takes the page of older entries that was read from where the book's own begin.
  prepend({ entries, before }) {
    this.entries.unshift(...entries);
    this.before = before;
  }

  // append takes the page of newer entries that was read from where the book's own end.
  append({ entries, after }) {
    this.entries.push(...entries);
    this.isBehind = after !== null || this.#end < this.last;
  }

  // leap leaves what is known for a part of the book far back.
  leap({ entries, before }) {
    Object.assign(this, { entries, before, isBehind: true });
  }

  // letGo keeps the newest entries only.
  letGo(count) {
    if (this.entries.length <= count) return;
    this.entries = this.entries.slice(-count);
    this.before = this.entries[0].id;
  }

  // drop lets entries go that are no longer in the book.
  drop(gone) {
    this.entries = this.entries.filter((entry) => !gone.includes(entry));
    this.changed([]);
  }

  clear() {
    Object.assign(this, { entries: [], before: undefined, isBehind: false, last: -1 });
  }

  #insert(entries) {
    return entries.filter((entry) => {
      const i = this.indexOf(entry.id);
      if (this.entries[i]?.id === entry.id) return false;
      this.entries.splice(i, 0, entry);
      return true;
    });
  }

  // #continues tells whether a page fits what is known, with nothing missing between.
  #continues(entries, before, old) {
    const newest = entries[entries.length - 1]?.id ?? -1;
    // The stream tells when a book was rewritten, so a shorter one is a replica that lags behind. An old pod cannot tell; its
    // book is believed when it is shorter twice.
    this.#shorter = old && newest < this.last ? this.#shorter + 1 : 0;
    if (this.#shorter > 1) return false;
    if (before !== null && before > this.last) return false; // null counts as 0, and an empty book ends at -1
    const read = new Map(entries.map((entry) => [entry.id, entry.text]));
    const known = this.entries.slice(this.indexOf(entries[0]?.id ?? Infinity), this.indexOf(newest + 1));
    return known.every(({ id, text }) => read.get(id) === text);
  }
}
