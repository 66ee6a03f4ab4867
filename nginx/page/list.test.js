import { Book } from "./book.js";
import { List } from "./list.js";
import { Outbox } from "./outbox.js";
import { Own } from "./own.js";
import { Reader } from "./reader.js";
import { Server } from "./server.js";
import { answerWith, equal, pageOf, until } from "./testing.js";

function listOf(prefix) {
  const act = {};
  const [ul, older, state, fresh] = ["ul", "button", "p", "button"].map((name) => document.createElement(name));
  document.body.prepend(ul, older, state, fresh);
  const book = new Book((news) => list.add(news));
  const server = new Server();
  const own = new Own(`own ${prefix}`);
  const outbox = new Outbox(book, server, own, prefix, { changed: () => list.show() });
  const list = new List({ ul, older, state, fresh }, new Reader(book, server), outbox, own, act);
  const shown = () => [...ul.children].map((li) => li.className + li.querySelector(".words").textContent);
  return { act, ul, older, fresh, book, outbox, list, shown };
}

export default {
  async "it shows a book and an outbox"() {
    const { act, ul, book, outbox, list, shown } = listOf("list ");
    book.take(pageOf(null, 0, 10));
    equal("newest first", shown(), ["entry 10", "entry 0"]);
    answerWith(() => [403, {}]);
    outbox.sign("mine");
    await until(() => ul.querySelector(".failed"));
    equal("what is unsent is above", shown(), ["failedmine", "entry 10", "entry 0"]);
    let discarded;
    act.discard = (item) => { discarded = item.text; };
    ul.querySelector(".discard").click();
    equal("its buttons", discarded, "mine");
    answerWith(() => [201, { id: 20, text: "mine" }]);
    outbox.retry([...outbox.items.values()][0]);
    await until(() => outbox.items.size === 0);
    equal("one's own is marked", [...ul.children].map((li) => li.querySelector(".note")?.textContent), ["Yours", undefined, undefined]);
    book.take({ ...pageOf(null), entries: [{ id: 20, text: "another at its place" }] }, true);
    equal("another at its place is not", ul.querySelector(".note"), null);
    book.take(pageOf(null, 0), true);
    equal("another book", shown(), ["entry 0"]);
    answerWith(() => [400, { error: "no entry starts there" }]);
    equal("it is gone to, or not", [await list.goTo(0), await list.goTo(5)], [true, false]);
  },
  async "old entries do not stay at the top when the newest cannot be read"() {
    const { ul, older, fresh, book, list } = listOf("behind ");
    book.take(pageOf(null, 0, 10));
    answerWith(() => [503, {}]);
    book.leap({ ...pageOf(null, 0), after: 0 });
    list.show();
    await until(() => /Try again/.test(older.textContent));
    book.add({ id: 20, text: "entry 20" });
    await until(() => ul.childElementCount === 1 && !fresh.hidden);
    equal("a button for the new entry", fresh.textContent, "1 new entry");
    answerWith(() => [200, pageOf(null, 0, 10, 20)]);
    await until(() => ul.childElementCount === 3);
    equal("by itself", [book.isBehind, fresh.hidden], [false, true]);
  },
  async "an entry that is shown whole stays so when its state changes"() {
    const { ul, outbox } = listOf("open ");
    answerWith(() => [403, {}]);
    outbox.sign("tall");
    await until(() => ul.querySelector(".failed"));
    ul.firstElementChild.classList.add("open");
    let reply;
    answerWith(() => new Promise((resolve) => { reply = resolve; }));
    outbox.retry([...outbox.items.values()][0]);
    equal("while it is sent", ul.firstElementChild.className, "open pending");
    await until(() => reply);
    reply([403, {}]);
    await until(() => ul.querySelector(".failed"));
    equal("when it has failed", ul.firstElementChild.className, "open failed");
  },
};
