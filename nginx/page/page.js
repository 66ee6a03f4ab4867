// The page: puts all together, and passes on what the browser tells.

import { announce } from "./announcer.js";
import { Book } from "./book.js";
import { Connection } from "./connection.js";
import { byId, setText } from "./dom.js";
import { Form } from "./form.js";
import { List } from "./list.js";
import { Outbox } from "./outbox.js";
import { Own } from "./own.js";
import { Reader } from "./reader.js";
import { Server } from "./server.js";
import { showAnswerer, showConnection, showNotice, showSignIn, showUnread } from "./status.js";
import { HERE } from "./storage.js";

const CHECK_INTERVAL_MS = 30_000; // between two readings of what is in sight

const server = new Server();
server.answered = showAnswerer;
server.signedOut = showSignIn;

let unread = 0; // entries that came while the page was hidden

const book = new Book((news) => {
  outbox.look(news);
  const others = news.filter((entry) => !outbox.claims(entry));
  list.add(news);
  if (others.length > 0) announce("", others);
  if (document.hidden) unread += others.length;
  showUnread(unread);
});
const reader = new Reader(book, server);
const own = new Own(`guestbook own ${HERE}`);
const outbox = new Outbox(book, server, `guestbook unsent ${HERE} `, {
  changed: () => list.show(),
  tell: announce,
  arrived: (entry) => own.add(entry),
});
const form = new Form((text) => outbox.sign(text));
const elements = { ul: byId("entries"), older: byId("older"), state: byId("state"), fresh: byId("fresh") };
const list = new List(elements, reader, outbox, own, {
  retry: (item) => outbox.retry(item),
  edit: (item) => {
    form.edit(item.text);
    outbox.takeBack(item);
  },
  discard: (item) => {
    outbox.takeBack(item);
    form.focus();
  },
});
const connection = new Connection(book, server, (state, failure) => {
  showConnection(state);
  if (state === "live" || state === "polling") {
    outbox.wake();
    openLink();
  } else if (failure && !book.isRead) {
    elements.state.className = "broken";
    setText(elements.state, `${failure.message} Trying again.`);
  }
});

// openLink goes to the entry that the address names, once.
let opened = "";

async function openLink() {
  const [, id] = /^#e(\d+)$/.exec(location.hash) ?? [];
  if (!book.isRead || !id || opened === id) return;
  opened = id;
  showNotice("Looking for the entry that this link leads to.");
  try {
    const found = await list.goTo(Number(id));
    showNotice(found ? "" : "The entry that this link leads to is not in the book any more.");
    if (!found) byId("notice").scrollIntoView({ block: "nearest" });
  } catch (failure) {
    opened = "";
    showNotice(failure.message);
  }
}

window.addEventListener("hashchange", () => {
  opened = "";
  showNotice("");
  openLink();
});

// The browser may be wrong about either, so the server is asked.
for (const change of ["online", "offline"]) {
  window.addEventListener(change, () => {
    connection.start();
    outbox.wake();
  });
}

window.addEventListener("storage", () => outbox.recheck());

function check() {
  if (!document.hidden && book.isRead) reader.check(list.inSight()).catch(() => {}); // the next one may get through
}

setInterval(check, CHECK_INTERVAL_MS);

document.addEventListener("visibilitychange", () => {
  connection.isHidden = document.hidden;
  connection.start();
  if (document.hidden) return;
  unread = 0;
  showUnread(unread);
  check();
});

window.addEventListener("pagehide", () => {
  form.leave();
  connection.stop();
});

window.addEventListener("pageshow", ({ persisted }) => {
  form.comeBack();
  if (!persisted) return;
  outbox.recheck();
  connection.start();
});

outbox.restore();
connection.isHidden = document.hidden;
connection.start();
byId("stuck").remove();
