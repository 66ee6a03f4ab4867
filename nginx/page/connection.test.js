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

// start connects a Book to a mock server, which responds with the result of entries(), or with 503 if the result is null. The array told
// collects the states that Connection has reported.
function start(entries) {
  window.EventSource = Stream;
  Stream.all = [];
  const told = [];
  let reads = 0;
  answerWith(() => {
    reads++;
    return entries() ?? [503, {}];
  });
  const book = new Book();
  const connection = connect(book, (state) => told.push(state));
  connection.start();
  return { book, connection, told, reads: () => reads, streams: () => Stream.all };
}

export default {
  async "it follows, and comes back after a cut"() {
    const { book, told, streams, connection } = start(() => [200, pageOf(null, 0)]);
    await until(() => streams().length === 1);
    streams()[0].say("open");
    streams()[0].say("entry", { id: 10, text: "new" });
    equal("what comes", [idsOf(book), told], [[0, 10], ["live"]]);
    streams()[0].say("error");
    await until(() => streams().length === 2);
    equal("the one that was cut is closed", streams()[0].isOpen, false);
    streams()[1].say("open");
    equal("told", told, ["live", "reconnecting", "live"]);
    connection.stop();
    equal("stopped", streams()[1].isOpen, false);
  },
  async "four pages of a browser have streams, and a fifth when one leaves"() {
    const pages = [];
    for (let n = 1; n <= 5; n++) {
      const page = connect(new Book(), (state) => { page.state = state; });
      pages.push(page);
    }
    start(() => [200, pageOf(null, 0)]).connection.stop();
    Stream.all = [];
    for (const page of pages) page.start();
    await until(() => Stream.all.length === 4 && pages.some(({ state }) => state === "polling"));
    equal("one polls", pages.filter(({ state }) => state === "polling").length, 1);
    pages.find(({ state }) => state !== "polling").stop();
    await until(() => Stream.all.length === 5);
    for (const page of pages) page.stop();
  },
  async "it says when it is offline, not at the first failure"() {
    const { told, connection } = start(() => null);
    await until(() => told.length === 3);
    connection.stop();
    equal("told", told, ["connecting", "offline", "offline"]);
  },
};
