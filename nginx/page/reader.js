// Reader: reads the parts of a book that somebody looks at. A connection reads what is new.

import { Failure, MOST_PAGE_ENTRIES, PAGE_ENTRIES } from "./server.js";

const AROUND_LINK_ENTRIES = 250; // on each side of an entry that a link leads to

export class Reader {
  constructor(book, server) {
    Object.assign(this, { book, server });
  }

  async older() {
    const { before } = this.book;
    const page = await this.server.read({ before, limit: PAGE_ENTRIES });
    if (this.book.before === before) this.book.prepend(page);
  }

  async newer() {
    const { entries } = this.book;
    const page = await this.server.read({ after: entries[entries.length - 1].id, limit: 2 * PAGE_ENTRIES });
    if (this.book.entries !== entries) return;
    this.book.append(page);
    // A replica may lag behind. Without a failure it would be asked again at once.
    if (this.book.isBehind && page.entries.length === 0) throw new Failure("The newest entries are not there yet.", { passing: true });
  }

  async newest() {
    this.book.take(await this.server.read(), true);
  }

  // find reads the part of the book around an entry, and resolves to whether the entry is there.
  async find(id) {
    const { book } = this;
    if (typeof book.before !== "number" || id >= book.before) return Boolean(book.find(id));
    let page;
    try {
      page = await this.server.read({ before: id, limit: AROUND_LINK_ENTRIES });
    } catch (failure) {
      if (failure.status === 400) return false; // no entry starts there
      throw failure;
    }
    if (page.old) return false;
    const from = page.entries[page.entries.length - 1]?.id ?? -1;
    const { entries } = await this.server.read({ after: from, limit: AROUND_LINK_ENTRIES });
    if (entries[0]?.id !== id) return false;
    const around = [...page.entries, ...entries];
    if (around[around.length - 1].id < book.before) book.leap({ entries: around, before: page.before });
    else book.prepend({ entries: around.filter((entry) => entry.id < book.before), before: page.before });
    return true;
  }

  // check reads again the entries in sight, and drops what the operator has hidden since. What is out of sight is checked when
  // it is in sight.
  async check(shown) {
    if (shown.length === 0) return;
    const { book } = this;
    const next = book.entries[book.indexOf(shown[shown.length - 1].id) + 1]?.id;
    const page = await this.server.read({ before: next, seen: next === undefined ? book.newest : undefined, limit: Math.min(shown.length, MOST_PAGE_ENTRIES) });
    if (page.old || (next === undefined && book.isBehind)) return; // a replica may lag behind
    const there = new Set(page.entries.map(({ id }) => id));
    const gone = shown.filter(({ id }) => id >= (page.before ?? 0) && !there.has(id));
    if (gone.length > 0) book.drop(gone);
  }
}
