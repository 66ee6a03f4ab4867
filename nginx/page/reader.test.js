import { Book } from "./book.js";
import { Reader } from "./reader.js";
import { Server } from "./server.js";
import { answerWith, equal, pageOf } from "./testing.js";

export default {
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
