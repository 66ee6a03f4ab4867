import { Book } from "./book.js";
import { showItem } from "./entry.js";
import { Outbox } from "./outbox.js";
import { Own } from "./own.js";
import { Server } from "./server.js";
import { answerWith, equal, idsOf, pageOf, until } from "./testing.js";

const kept = (prefix) => Object.keys(localStorage).filter((name) => name.startsWith(prefix)).length;
const html = { "Content-Type": "text/html" };

// outboxOf() returns an Outbox, its Book, its messages, and the functions run() and item(). item() returns the first unsent item.
function outboxOf(prefix) {
  const states = [];
  const told = [];
  const book = new Book();
  book.take(pageOf(null));
  const outbox = new Outbox(book, new Server(), new Own(`own ${prefix}`), prefix, {
    changed: () => {
      const state = [...outbox.items.values()].map((item) => item.state).join();
      if (state !== states[states.length - 1]) states.push(state);
    },
    tell: (message) => told.push(message),
  });
  // run() puts a text into the Outbox, and returns the item's states until the item is sent or has failed. The mock server answers each
  // POST with the next element of the array "posts", and with 201 after the last element.
  const run = async (text, posts, read = [200, pageOf(null)], start = () => outbox.sign(text)) => {
    states.length = 0;
    answerWith((_, { method }) => {
      if (method !== "POST") return read;
      const answer = posts.shift() ?? 201;
      if (answer === 0) throw new TypeError("lost");
      if (typeof answer === "object") return answer;
      return [answer, answer === 201 ? { id: book.newest + 10, text } : {}];
    });
    start();
    await until(() => states.length > 1 && /^(|refused|lost)$/.test(states[states.length - 1]));
    return states.join(" ");
  };
  return { book, outbox, told, run, item: () => [...outbox.items.values()][0] };
}

export default {
  async "an item's states"() {
    const { outbox, run, item } = outboxOf("test ");
    equal("sent", await run("a", []), "sending ");
    equal("busy at first", await run("b", [429, 429]), "sending held sending held sending ");
    equal("no answer at first", await run("d", [0, 503]), "sending unsure sending unsure sending ");
    equal("no answer, then busy: it may be there all the same", await run("e", [0, 429]), "sending unsure sending unsure sending ");
    equal("refused", await run("f", [403]), "sending refused");
    equal("stored", kept("test "), 1);
    outbox.takeBack(item());
    equal("refused when it may be there", await run("g", [0, 403]), "sending unsure sending lost");
    outbox.takeBack(item());
    equal("taken back", [outbox.items.size, kept("test ")], [0, 0]);
  },
  async "the shape of an answer is not taken for its cause"() {
    const { outbox, run, item } = outboxOf("shape ");
    const front = /Something in front of the guestbook, such as a firewall, refuses this text/;
    for (const answer of [[403, "<h1>Blocked</h1>", html], [406, "<h1>Not Acceptable</h1>", html], [200, "<h1>Support ID</h1>", html], [451, "<p>", html]]) {
      const posts = Array(20).fill(answer);
      equal(`a firewall's ${answer[0]}`, await run("x", posts), "sending held sending held sending refused");
      equal("says so", front.test(item().reason), true);
      outbox.takeBack(item());
    }
    const away = [403, "<h1>Sign in</h1>", html];
    const waits = run("y", [away, away, away, away], away);
    await until(() => /not signed in/.test(item()?.reason));
    answerWith(() => [201, { id: 500, text: "y" }]);
    equal("a login page", (await waits).endsWith("held sending "), true);
    let sent = 0;
    answerWith((_, { method }) => {
      if (method === "POST") sent++;
      if (sent > 4) return [201, { id: 600, text: "v" }];
      return method === "POST" || sent < 4 ? away : [200, pageOf(null)];
    });
    outbox.sign("v");
    await until(() => outbox.items.size === 0 || item().state === "refused");
    equal("the visitor signs in again between a POST and the read after it", outbox.items.size, 0);
    equal("a pod of before, then one of now", await run("z", [[404, "<h1>Not Found</h1>", html]]), "sending held sending ");
    const posts = Array(40).fill([405, "<h1>Method Not Allowed</h1>", html]);
    equal("a proxy that lets no posts through is not asked for ever", (await run("w", posts)).endsWith("refused"), true);
  },
  async "an item whose key the server may have forgotten is not sent by itself"() {
    const { outbox, told, run, item } = outboxOf("old ");
    const copy = { id: 10, text: "a" };
    const toldToLook = () => [item().state, /Look for it in the book/.test(item().reason)];
    equal("lost", [await run("a", [0, 403]), outbox.claims(copy)], ["sending unsure sending lost", true]);
    item().sentAt -= 21 * 3600_000;
    equal("the visitor sees a copy in the book", outbox.claims(copy), false);
    outbox.look([copy]);
    equal("an entry with the same text sends nothing", item().state, "lost");
    answerWith(() => [201, { id: 20, text: "a" }]);
    for (let click = 1; click <= 2; click++) {
      outbox.retry(item());
      equal("the visitor looks first", [toldToLook(), told.pop()], [["lost", true], "Your entry could not be sent."]);
      equal("no button sends it", showItem(item(), undefined, {}).li.querySelector(".retry"), null);
    }
    outbox.takeBack(item());

    localStorage.setItem("old k", JSON.stringify({ key: "k", text: "d", at: 1, after: null, state: "held", reason: "" }));
    await run("d", [0, 403], undefined, () => outbox.restore());
    equal("a key that the server has never seen is not forgotten", [item().text, toldToLook()], ["d", ["lost", false]]);
    outbox.takeBack(item());

    answerWith((_, { method }) => {
      if (method !== "POST") return [200, pageOf(null)];
      item().sentAt -= 21 * 3600_000;
      throw new TypeError("lost");
    });
    outbox.sign("b");
    await until(() => outbox.items.size === 1 && item().state === "lost");
    equal("a page that stays open", [toldToLook(), told.pop()], [["lost", true], "Your entry could not be sent."]);
    for (const state of ["lost", "sending"]) {
      outbox.takeBack(item());
      localStorage.setItem("old k", JSON.stringify({ key: "k", text: "c", at: 1, after: null, state, reason: "Retrying is safe" }));
      outbox.restore();
      equal(`a page that is opened later, ${state}`, toldToLook(), ["lost", true]);
    }
    outbox.takeBack(item());
  },
  async "what another page has taken back is not sent"() {
    const { outbox, run, item } = outboxOf("away ");
    await run("a", [403]);
    localStorage.removeItem(`away ${item().key}`); // as another tab does after it has sent the item
    outbox.retry(item());
    await until(() => outbox.items.size === 0);
    equal("not kept again", kept("away "), 0);
    await run("b", [403]);
    localStorage.removeItem(`away ${item().key}`);
    outbox.recheck();
    equal("nor shown", outbox.items.size, 0);
  },
  async "an item that may be in the book is not shown twice"() {
    const { book, outbox } = outboxOf("claims ");
    book.take(pageOf(null, 0), true);
    let reply;
    answerWith(() => new Promise((resolve) => { reply = resolve; }));
    outbox.sign("words");
    const copy = { id: 10, text: "words" };
    await until(() => reply);
    equal("a copy", outbox.claims(copy), true);
    equal("one from before", outbox.claims({ id: 0, text: "words" }), false);
    equal("other words", outbox.claims({ id: 10, text: "other" }), false);
    reply([201, copy]);
    await until(() => outbox.items.size === 0);
    equal("once it is in the book", [outbox.claims(copy), idsOf(book)], [false, [0, 10]]);
  },
};
