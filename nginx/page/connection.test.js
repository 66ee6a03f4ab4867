import { Book } from "./book.js";
import { Connection } from "./connection.js";
import { Reader } from "./reader.js";
import { Server } from "./server.js";
import { answerWith, equal, idsOf, pageOf, until } from "./testing.js";

class Stream extends EventTarget {
  static all = [];
  isOpen = true;
  constructor() {
    super();
    Stream.all.push(this);
  }
  close() {
    this.isOpen = false;
  }
  say(name, data) {
    this.dispatchEvent(Object.assign(new Event(name), { data: JSON.stringify(data) }));
  }
}

function connect(book, tell) {
  const server = new Server();
  return new Connection(new Reader(book, server), server, tell);
}

// start() connects a Book to a mock server, which responds with a page of one entry, or with 503 if isBroken is true. The
// array "told" collects the states that Connection has reported.
function start(isBroken) {
  window.EventSource = Stream;
  answerWith(() => (isBroken ? [503, {}] : [200, pageOf(null, 0)]));
  const told = [];
  const book = new Book();
  const connection = connect(book, (state) => told.push(state));
  connection.start();
  return { book, connection, told };
}

export default {
  async "it follows, and comes back after a cut"() {
    const { book, told, connection } = start();
    await until(() => Stream.all.length === 1);
    Stream.all[0].say("open");
    Stream.all[0].say("entry", { id: 10, text: "new" });
    equal("what comes", [idsOf(book), told], [[0, 10], ["live"]]);
    Stream.all[0].say("error");
    await until(() => Stream.all.length === 2);
    equal("the one that was cut is closed", Stream.all[0].isOpen, false);
    Stream.all[1].say("open");
    equal("told", told, ["live", "reconnecting", "live"]);
    connection.stop();
    equal("stopped", Stream.all[1].isOpen, false);
  },
  async "four pages of a browser have streams, and a fifth when one leaves"() {
    const pages = [];
    for (let n = 1; n <= 5; n++) {
      const page = connect(new Book(), (state) => { page.state = state; });
      pages.push(page);
    }
    start().connection.stop();
    Stream.all = [];
    for (const page of pages) page.start();
    await until(() => Stream.all.length === 4 && pages.some(({ state }) => state === "polling"));
    equal("one polls", pages.filter(({ state }) => state === "polling").length, 1);
    pages.find(({ state }) => state !== "polling").stop();
    await until(() => Stream.all.length === 5);
    for (const page of pages) page.stop();
  },
  async "it says when it is offline, not at the first failure"() {
    const { told, connection } = start(true);
    await until(() => told.length === 3);
    connection.stop();
    equal("told", told, ["connecting", "offline", "offline"]);
  },
};
