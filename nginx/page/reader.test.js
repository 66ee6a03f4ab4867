import { Book } from "./book.js";
import { Reader } from "./reader.js";
import { Server } from "./server.js";
import { answerWith, equal, idsOf, pageOf } from "./testing.js";

// readerOf() returns a Reader whose Book has only the entries 20 and 30, but knows that there is an entry 920.
function readerOf() {
  const book = new Book();
  book.take(pageOf(900, 900, 920));
  book.leap({ ...pageOf(20, 20, 30), after: 30 });
  return { book, reader: new Reader(book, new Server()) };
}

export default {
  async "the newest entry of a book is hidden"() {
    const { book, reader } = readerOf();
    answerWith(({ searchParams }) => [200, searchParams.has("after") ? pageOf(null) : pageOf(20, 30)]);
    await reader.newer();
    equal("the book has its end", [idsOf(book), book.isBehind, book.last], [[20, 30], false, 30]);
  },
  async "a replica lacks the newest entries"() {
    const { book, reader } = readerOf();
    answerWith(({ searchParams }) => [200, searchParams.has("after") ? pageOf(null) : pageOf(910, 920)]);
    const message = await reader.newer().catch((failure) => failure.message);
    equal("still behind", [message, book.isBehind, book.last], ["The newest entries are not there yet.", true, 920]);
  },
  async "an entry arrives while the newest page is read"() {
    const { book, reader } = readerOf();
    const seen = [];
    answerWith(({ searchParams }) => {
      seen.push(searchParams.get("seen"));
      if (seen.length === 1) book.add({ id: 930, text: "entry 930" });
      return [200, seen.length === 1 ? pageOf(910, 910, 920) : pageOf(920, 920, 930)];
    });
    await reader.newest();
    equal("one is missing", [idsOf(book), book.isBehind, book.last], [[910, 920], true, 930]);
    await reader.newest();
    equal("none is missing", [idsOf(book), book.isBehind, seen], [[920, 930], false, ["920", "930"]]);
    answerWith(() => [200, pageOf(910, 910, 920)]);
    book.leap({ ...pageOf(20, 20, 30), after: 30 });
    await reader.newest();
    equal("the newest is hidden", [idsOf(book), book.isBehind], [[910, 920], false]);
  },
  async "more entries were missed than a page reads"() {
    const book = new Book();
    book.take(pageOf(null, 0));
    let reads = 0;
    answerWith(({ searchParams }) => {
      reads++;
      const before = Number(searchParams.get("before") ?? 100_000);
      const limit = Number(searchParams.get("limit"));
      return [200, pageOf(before - limit, ...Array.from({ length: limit }, (_, i) => before - limit + i))];
    });
    await new Reader(book, new Server()).news(false, () => true);
    equal("the newest page alone", [reads, book.entries.length, book.entries[0].id, book.last], [11, 50, 99_950, 99_999]);
  },
};
