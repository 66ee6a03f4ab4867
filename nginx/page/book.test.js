import { Book } from "./book.js";
import { entriesOf } from "./server.js";
import { equal, idsOf, pageOf } from "./testing.js";

export default {
  "a book is read from its end and from its beginning"() {
    const told = [];
    const book = new Book((news) => told.push(news.length));
    equal("read", book.isRead, false);
    book.take(pageOf(30, 30, 40, 50));
    book.prepend(pageOf(null, 0, 10, 20));
    book.add({ id: 60, text: "new" });
    book.add({ id: 60, text: "new" });
    equal("entries", idsOf(book), [0, 10, 20, 30, 40, 50, 60]);
    equal("told", told, [0, 1]);
    equal("end", [book.last, book.newest, book.before], [60, 60, null]);
    book.keepNewest(4);
    equal("the newest are kept", [idsOf(book), book.before], [[30, 40, 50, 60], 30]);
    book.keepOldest(3);
    equal("the oldest are kept", [idsOf(book), book.isBehind, book.newest], [[30, 40, 50], true, 60]);
  },
  "a page that continues a book is added to it, any other takes its place"() {
    const after = (page) => {
      const book = new Book();
      book.take(pageOf(20, 20, 30));
      book.take(page);
      return idsOf(book);
    };
    const now = (...ids) => after(pageOf(...ids));
    equal("the same", now(20, 20, 30), [20, 30]);
    equal("one more", now(20, 20, 30, 40), [20, 30, 40]);
    equal("older ones, too, which are left for later", now(0, 0, 10, 20, 30, 40), [20, 30, 40]);
    equal("with a gap", now(50, 50, 60), [50, 60]);
    equal("one is missing", now(20, 20, 40), [20, 40]);
    equal("a replica that lags behind", now(10, 10, 20), [20, 30]);
    equal("another text", after({ before: null, entries: [{ id: 20, text: "x" }] }), [20]);
  },
  "one's own entry is known before it is read"() {
    const book = new Book();
    book.confirm({ id: 70, text: "mine" });
    book.take(pageOf(50, 50, 60));
    equal("kept beside the first page", [idsOf(book), book.last, book.newest], [[50, 60, 70], 60, 70]);
    book.confirm({ id: 10, text: "mine, a repeat" });
    equal("older than what is known", idsOf(book), [50, 60, 70]);
  },
  "a leap far back leaves a gap, which is closed from there"() {
    const told = [];
    const book = new Book((news) => told.push(...news.map(({ id }) => id)));
    book.take(pageOf(900, 900, 910));
    book.leap({ ...pageOf(20, 20, 30), after: 30 });
    book.add({ id: 920, text: "new" });
    book.take(pageOf(910, 910, 920, 930));
    book.confirm({ id: 940, text: "mine" });
    equal("nothing comes into the gap", [idsOf(book), book.isBehind], [[20, 30], true]);
    equal("what is new is told, once", [told, book.newest], [[920, 930], 930]);
    book.append({ entries: [{ id: 40, text: "" }], after: 40 });
    equal("still behind", book.isBehind, true);
    book.append({ entries: [{ id: 920, text: "" }], after: null });
    equal("behind what the stream has told", book.isBehind, true);
    book.append({ entries: [{ id: 930, text: "" }, { id: 940, text: "" }], after: null });
    equal("closed", [idsOf(book), book.isBehind], [[20, 30, 40, 920, 930, 940], false]);
  },
  "entries of a book in one string"() {
    equal("all", entriesOf(",a%2Cb,%252C,,é,x,  "), [{ id: 0, text: "a,b" }, { id: 6, text: "%2C" }, { id: 13, text: "é" }, { id: 16, text: "x" }]);
  },
};
