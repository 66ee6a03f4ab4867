// Reader reads entries from the server into a Book: new entries, and the entries that the visitor scrolls to.

import { Failure, MOST_PAGE_ENTRIES, PAGE_ENTRIES } from "./server.js";

const AROUND_LINK_ENTRIES = 250; // how many entries to read before, and after, an entry that a link leads to
const MOST_MISSED_ENTRIES = 5000; // if more entries than this arrived while the computer slept, the list shows only the newest page
export const MOST_HELD_ENTRIES = 1000;

export class Reader {
  constructor(book, server) {
    Object.assign(this, { book, server });
  }

  // news() reads the newest entries. If at most MOST_MISSED_ENTRIES entries are missing between the Book's last entry and the newest
  // entries, news() also reads the missing ones. If the parameter isRewritten is true, the newest entries replace those of the Book.
  async news(isRewritten, isPresent) {
    const { book, server } = this;
    const newest = await server.read({ seen: isRewritten ? -1 : book.newest });
    let page = newest;
    const hasGap = () => book.isRead && !isRewritten && page.before !== null && page.before > book.last;
    while (hasGap() && page.entries.length < MOST_MISSED_ENTRIES) {
      const more = await server.read({ before: page.before, limit: MOST_PAGE_ENTRIES });
      page = { ...more, entries: [...more.entries, ...page.entries] };
    }
    if (hasGap()) page = newest;
    if (isPresent()) book.take(page, isRewritten);
    return page;
  }

  async older() {
    const { before } = this.book;
    const page = await this.server.read({ before, limit: PAGE_ENTRIES });
    if (this.book.before === before) this.book.prepend(page);
  }

  async newer() {
    const { book, server } = this;
    const { entries } = book;
    const { id } = entries[entries.length - 1];
    const page = await server.read({ after: id, limit: 2 * PAGE_ENTRIES });
    if (book.entries !== entries) return;
    book.append(page);
    book.keepNewest(MOST_HELD_ENTRIES);
    if (!book.isBehind || page.entries.length > 0) return;
    const { last, entries: held } = book;
    const { entries: [newest], old } = await server.read({ seen: last, limit: 1 });
    if (book.last !== last || book.entries !== held) return;
    // If a lagging Redis slave returns no newer entries, newer() fails, so that List does not call newer() again at once.
    if (old || newest?.id > id) throw new Failure("The newest entries are not there yet.");
    // The Book is no longer behind, because the operator has hidden all entries after the Book's last entry.
    Object.assign(book, { last: id, isBehind: false });
  }

  // newest() replaces the Book's entries by the newest page of entries. If the event stream delivers an entry during the read, and the
  // response lacks this entry, isBehind stays true, so that List reads again.
  async newest() {
    const { book } = this;
    const { newest } = book;
    const page = await this.server.read({ seen: newest });
    const { last } = book;
    book.take(page, true);
    if (last <= newest) return;
    book.last = Math.max(book.last, last);
    book.append({ entries: [], after: null });
  }

  // find() reads the entries around an entry into the Book, and resolves to false if the entry does not exist.
  async find(id) {
    const { book, server } = this;
    if (book.entries.some((entry) => entry.id === id)) return true;
    let older;
    try {
      older = await server.read({ before: id, limit: AROUND_LINK_ENTRIES });
    } catch (failure) {
      if (failure.status === 400) return false; // the server returns 400 if no entry has this id
      throw failure;
    }
    if (older.old) return false;
    const newer = await server.read({ after: older.entries[older.entries.length - 1]?.id ?? -1, limit: AROUND_LINK_ENTRIES });
    if (newer.entries[0]?.id !== id) return false;
    book.leap({ entries: [...older.entries, ...newer.entries], before: older.before, after: newer.after });
    return true;
  }

  // check() reads the shown entries again, and removes entries from the Book that the operator has hidden.
  async check(shown) {
    const { book } = this;
    const next = book.entries[book.entries.indexOf(shown[shown.length - 1]) + 1]?.id;
    if (shown.length === 0 || (next === undefined && book.isBehind)) return;
    const page = await this.server.read({ before: next, seen: next === undefined ? book.newest : undefined, limit: shown.length });
    // An entry that a PHP guestbook's pod lacks may be late instead of hidden, so check() ignores the response of such a pod.
    if (page.old) return;
    const there = new Set(page.entries.map(({ id }) => id));
    const gone = shown.filter(({ id }) => id >= (page.before ?? 0) && !there.has(id));
    if (gone.length > 0) book.drop(gone);
  }
}
