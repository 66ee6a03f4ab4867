// This module creates the objects of the page, and handles the browser's events.

import { Book } from "./book.js";
import { Connection } from "./connection.js";
import { byId, setText } from "./dom.js";
import { Form } from "./form.js";
import { List } from "./list.js";
import { Outbox } from "./outbox.js";
import { Own } from "./own.js";
import { Reader } from "./reader.js";
import { Server } from "./server.js";
import { announce, showAnswerer, showConnection, showSignIn } from "./status.js";
import { HERE } from "./storage.js";

const CHECK_INTERVAL_MS = 30_000; // the time between two calls of check()

// A prerendered page sends no entry before the visitor opens it, because the API refuses each POST of a prerendered page.
if (document.prerendering) {
  await new Promise((resolve) => { document.addEventListener("prerenderingchange", resolve, { once: true }); });
  window.early = null; // the answer to the request of early.js may be old
}

const server = Object.assign(new Server(), { answered: showAnswerer, signedOut: showSignIn });
const book = new Book((news) => {
  outbox.look(news);
  const others = news.filter((entry) => !outbox.claims(entry));
  list.add(others);
  if (others.length > 0) announce("", others);
  showUnread(document.hidden ? unread + others.length : 0);
});
const reader = new Reader(book, server);
const own = new Own(`guestbook own ${HERE}`);
const outbox = new Outbox(book, server, own, `guestbook unsent ${HERE} `, { changed: () => list.show(), tell: announce });
const notice = byId("notice");
const form = new Form((text) => {
  setText(notice, "");
  outbox.sign(text);
});
const elements = { ul: byId("entries"), older: byId("older"), state: byId("state"), fresh: byId("fresh") };

// takeBack() removes an item, and warns the visitor if the item may be in the guestbook. The note of a lost item already contains this
// warning.
function takeBack(item) {
  if (item.state === "sending" || item.state === "unsure") setText(notice, "It may be in the book already.");
  outbox.takeBack(item);
}

const list = new List(elements, reader, outbox, own, {
  retry: (item) => outbox.retry(item),
  edit: (item) => {
    form.edit(item.text);
    takeBack(item);
  },
  discard: (item) => {
    takeBack(item);
    byId("text").focus();
  },
});
const connection = new Connection(reader, server, (state, failure) => {
  showConnection(state);
  if (state === "live" || state === "polling") {
    outbox.wake();
    outbox.look(book.entries); // Book does not report the entries of the first read as new
    list.retry();
    openLink();
  } else if (failure && !book.isRead) {
    elements.state.className = "broken";
    setText(elements.state, `${failure.message} Trying again.`);
  }
});

let unread = 0; // number of entries that arrived while the page was hidden

function showUnread(count) {
  unread = count;
  document.title = count === 0 ? "Guestbook" : `(${count}) Guestbook`;
}

let opened = ""; // the last URL fragment that openLink() has handled

// openLink() scrolls to the entry that the URL's fragment names, once per fragment.
async function openLink() {
  const { hash } = location;
  if (!book.isRead || !/^#e\d+$/.test(hash) || opened === hash) return;
  opened = hash;
  setText(notice, "Looking for the entry that this link leads to.");
  try {
    const isFound = await list.goTo(Number(hash.slice(2)));
    setText(notice, isFound ? "" : "The entry that this link leads to is not in the book any more.");
    if (!isFound) notice.scrollIntoView({ block: "nearest" });
  } catch (failure) {
    opened = "";
    setText(notice, failure.message);
  }
}

// check() removes entries that the operator has hidden. check() ignores a failed read, because check() runs again after CHECK_INTERVAL_MS.
function check() {
  if (!document.hidden && book.isRead) reader.check(list.inSight()).catch(() => {});
}

function reconnect() {
  connection.isHidden = document.hidden;
  connection.start();
}

window.addEventListener("hashchange", () => {
  opened = "";
  setText(notice, "");
  openLink();
});

// The events "online" and "offline" may be wrong, so the page sends a request to find out.
for (const change of ["online", "offline"]) {
  window.addEventListener(change, () => {
    reconnect();
    outbox.wake();
  });
}

document.addEventListener("visibilitychange", () => {
  reconnect();
  if (document.hidden) return;
  showUnread(0);
  check();
});

window.addEventListener("storage", () => outbox.recheck());
window.addEventListener("pagehide", () => connection.stop());
window.addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  outbox.recheck();
  reconnect();
});

setInterval(check, CHECK_INTERVAL_MS);
outbox.restore();
reconnect();
byId("stuck").remove();
