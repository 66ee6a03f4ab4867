// The guestbook's page: it lists the entries, follows the book live and signs it. From here to the end:
//
//   the server     asks it, and says in plain words what went wrong
//   Book           what the server is known to have; knows nothing of the document
//   Tabs           which of a browser's tabs has the connection, and what it tells the others
//   Connection     keeps a Book up to date
//   Outbox         entries on their way into the book, each in one state
//   List           shows Book and Outbox, and keeps the reader's place
//   the page       the form, what is said to screen readers, and how all is put together
//
// It stays one file on purpose: while a new version is rolled out, each request of a page load may be answered by
// another pod, and two scripts of different versions would not fit together. index.html keeps the ids that it has, and
// Tabs the messages. All addresses are relative, so that the page works below any path.

const PAGE = 50; // entries read at a time
const MOST_AT_A_TIME = 500; // that the server gives
const MOST_MISSED = 5000; // entries read to fill the gap after a sleep; past that the list begins anew
const MOST_SHOWN = 1000; // entries in the document; half of them where it can choose
const LONGEST_TEXT = 4096; // bytes of UTF-8, the server's limit
const COUNT_FROM = LONGEST_TEXT - 400; // bytes from which on the room left is shown
const PATIENCE = 10_000; // ms for one request
const HASTE = 3000; // ms for one request where connections are known to be dead
const SLOW = 3000; // ms until a visitor is offered to take back what is being sent
const LONGEST_WAIT = 30_000; // ms, whatever Retry-After says
const RETRIES = [500, 1000, 2000, 4000, 8000, 8000]; // ms before sending an unconfirmed entry again
const RECONNECTS = [500, 1000, 2000, 4000, 8000, 15_000]; // ms; the last one for ever
const POLL = 10_000; // ms between two readings of the book where it cannot be followed
const SILENCE = 15_000; // ms until a stream in which nothing comes counts as dead; the server sends something every 10 s
const HIDDEN = 5 * 60_000; // ms until a hidden page gives its connection back
const PULSE = 500; // ms between two signs of life of the tab that leads
const LAPSE = 2000; // ms without one until another tab leads, and up to half a second more
const GREETING = 150; // ms that a new tab waits for the one that leads
const REPEATABLE = 20 * 3600_000; // ms; the server remembers a key for a day
const CHECK = 30_000; // ms between two readings of what is shown
const QUIET = 5000; // ms between two announcements, and that an entry is marked as new

// ---- The server

// Failure is an error whose message is meant for the visitor. A passing one may be gone at the next try; after a
// certain one the request was not carried out.
class Failure extends Error {
  constructor(message, { passing = false, certain = false, old = false, away = false, status = 0, wait = 0 } = {}) {
    super(message);
    Object.assign(this, { passing, certain, old, away, status, wait });
  }
}

// What the server says of these is meant for programs.
const STATUS_TEXT = {
  403: "The guestbook refused this request.",
  404: "There is no guestbook at this address.",
  413: "That is more than the guestbook takes at once.",
  414: "That is more than the guestbook takes at once.",
  429: "The guestbook is very busy.",
  502: "The guestbook is not available just now.",
  503: "The guestbook is not available just now.",
  504: "The guestbook took too long to answer.",
  507: "The guestbook is full.",
};
const NONSENSE = "The guestbook gave an answer that makes no sense.";
const SIGN_IN = "You are not signed in any more.";

// ask resolves to the status and the JSON object of an answer; answer is null when there is none.
async function ask(path, init, cancel = new AbortController(), patience = PATIENCE) {
  const timer = setTimeout(() => cancel.abort(), patience);
  let response, body;
  try {
    response = await fetch(path, { cache: "no-store", redirect: "manual", signal: cancel.signal, ...init });
    body = await response.text();
  } catch {
    throw new Failure("The guestbook cannot be reached.", { passing: true });
  } finally {
    clearTimeout(timer);
  }
  const away = sentAway(response);
  showSignIn(away);
  if (away) throw new Failure(SIGN_IN, { passing: true, certain: true, away });
  showAnswerer(response.headers.get("X-Answered-By"));
  let answer = null;
  try {
    answer = JSON.parse(body);
  } catch {
    // Not JSON: the caller decides what that means.
  }
  if (typeof answer !== "object") answer = null;
  const seconds = Number(response.headers.get("Retry-After")) || 0;
  return { status: response.status, answer, wait: Math.min(seconds * 1000, LONGEST_WAIT) };
}

// sentAway tells whether a proxy in front answered, as they do when one has to sign in: it leads elsewhere, or shows a
// page of its own. No guestbook does either; old pods say with a page that there is nothing at an address.
function sentAway({ type, status, headers }) {
  const page = /html/.test(headers.get("Content-Type"));
  return type === "opaqueredirect" || status === 401 || status === 511 || (page && (status < 300 || status === 403));
}

function failureOf({ status, answer, wait }) {
  let message = STATUS_TEXT[status] ?? `The guestbook answered with an error (${status}).`;
  if (status < 400) message = NONSENSE;
  else if (!STATUS_TEXT[status] && typeof answer?.error === "string" && answer.error !== "") {
    message = answer.error[0].toUpperCase() + answer.error.slice(1) + (/[.!?]$/.test(answer.error) ? "" : ".");
  }
  const passing = status === 408 || status === 429 || (status >= 500 && status !== 507);
  return new Failure(message, { passing, certain: status === 507 || (status >= 400 && status < 500), status, wait });
}

// An old pod, met during a rollout, does not know the entries' paths.
function fromOldPod({ status, answer }) {
  return status === 404 || status === 405 || (status < 300 && answer === null);
}

// readPage resolves to the newest entries, or those before one, oldest first: { entries, before, old }.
// An answer older than the entry seen is none; that fails with 400 where the book does not reach so far.
async function readPage({ before, seen, limit = PAGE, patience } = {}) {
  const query = new URLSearchParams({ limit, ...(before >= 0 && { before }), ...(seen >= 0 && { seen }) });
  const reply = await ask(`guestbook/entries?${query}`, {}, undefined, patience);
  if (reply.status === 200 && Array.isArray(reply.answer?.entries)) {
    return { entries: reply.answer.entries, before: reply.answer.before ?? null, old: false };
  }
  if (!fromOldPod(reply)) throw failureOf(reply);
  const all = entriesOf(await readOldPod()).filter((entry) => before === undefined || entry.id < before);
  const entries = all.slice(-limit);
  return { entries, before: all.length > limit ? entries[0].id : null, old: true };
}

async function readOldPod() {
  let reply = await ask("guestbook/?cmd=get&key=messages");
  if (reply.status === 404) reply = await ask("guestbook.php?cmd=get&key=messages");
  if (reply.status !== 200 || reply.answer === null) throw failureOf(reply);
  if (typeof reply.answer.data !== "string") throw new Failure(NONSENSE);
  return reply.answer.data;
}

// entriesOf lists the entries of a book in one string, oldest first. An entry is a comma followed by its text, and its
// id is the byte at which it starts. Blank items, which the keeper has hidden, are not shown, and neither are empty ones:
// "".split(",") has one.
export function entriesOf(book) {
  const entries = [];
  let id = 0;
  for (const [i, item] of book.split(",").entries()) {
    const text = item.replace(/%2C|%25(?=2C|25)/g, (code) => (code === "%2C" ? "," : "%"));
    if (!isBlank(text)) entries.push({ id, text });
    id += bytesOf(item) + (i > 0 ? 1 : 0);
  }
  return entries;
}

// isBlank tells whether nothing of a text can be seen: white space, controls, what is ignored when a text is shown
// (Unicode 17: White_Space, general category Cc, Default_Ignorable_Code_Point), and the Braille pattern without dots.
// The server has the same list.
export function isBlank(text) {
  return /^[\0- \x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]*$/u.test(text);
}

function bytesOf(string) {
  return new TextEncoder().encode(string).length;
}

// postEntry resolves to the entry as it stands in the book. Repeating it is safe, because the server knows the key.
async function postEntry({ key, text }, cancel) {
  const init = { method: "POST", body: new URLSearchParams({ text }), headers: { "Idempotency-Key": key } };
  const reply = await ask("guestbook/entries", init, cancel);
  if ((reply.status === 201 || reply.status === 200) && typeof reply.answer?.id === "number") return reply.answer;
  if (!fromOldPod(reply)) throw failureOf(reply);
  // It could only write the whole book anew, and lose what others write meanwhile.
  throw new Failure("The guestbook is being updated.", { passing: true, certain: true, old: true });
}

function backoff(delays, tries) {
  return delays[Math.min(tries, delays.length - 1)] * (0.75 + Math.random() / 2);
}

// ---- Book: what the server is known to have

export class Book {
  entries = []; // oldest first, with nothing missing between
  before; // where older ones go on, null at the beginning of the book; undefined until a page was read
  last = -1; // id of the newest entry read; one's own are not read but known
  #shorter = 0; // times in a row that an old pod's book was shorter than what is known

  // changed is told which entries are new to everybody here.
  constructor(changed = () => {}) {
    this.changed = changed;
  }

  get isRead() {
    return this.before !== undefined;
  }

  get newest() {
    return this.entries[this.entries.length - 1]?.id ?? -1;
  }

  // indexOf is where an entry is, or where it would be.
  indexOf(id) {
    let low = 0;
    for (let high = this.entries.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].id < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  find(id) {
    const entry = this.entries[this.indexOf(id)];
    return entry?.id === id ? entry : undefined;
  }

  // add takes an entry that came after all that was read.
  add(entry) {
    this.last = Math.max(this.last, entry.id);
    const news = this.#insert([entry]);
    if (news.length > 0) this.changed(news);
  }

  // confirm takes one's own entry, which may be older than what is known.
  confirm(entry) {
    if (typeof this.before !== "number" || entry.id >= this.before) this.#insert([entry]);
    this.changed([]);
  }

  // take takes a page of the newest entries: beside what is known if it continues that, else instead.
  take({ entries, before, old }, instead = false) {
    if (instead || (this.isRead && !this.#continues(entries, before, old))) this.clear();
    const wasRead = this.isRead;
    if (!wasRead) {
      this.before = before;
      this.entries.splice(0, this.indexOf(before ?? 0)); // one's own, found to be older than this page
    }
    const news = this.#insert(entries.filter(({ id }) => id >= (this.before ?? 0)));
    this.last = Math.max(this.last, entries[entries.length - 1]?.id ?? -1);
    this.changed(wasRead ? news : []);
  }

  // prepend takes the page of older entries that was read from where the book's own begin.
  prepend({ entries, before }) {
    this.entries.unshift(...entries);
    this.before = before;
  }

  // letGo keeps the newest entries only.
  letGo(count) {
    if (this.entries.length <= count) return;
    this.entries = this.entries.slice(-count);
    this.before = this.entries[0].id;
  }

  // drop lets entries go that are no longer in the book.
  drop(gone) {
    this.entries = this.entries.filter((entry) => !gone.includes(entry));
    this.changed([]);
  }

  clear() {
    this.entries = [];
    this.before = undefined;
    this.last = -1;
  }

  #insert(entries) {
    return entries.filter((entry) => {
      const i = this.indexOf(entry.id);
      if (this.entries[i]?.id === entry.id) return false;
      this.entries.splice(i, 0, entry);
      return true;
    });
  }

  // #continues tells whether a page fits what is known, with nothing missing between.
  #continues(entries, before, old) {
    const newest = entries[entries.length - 1]?.id ?? -1;
    // The stream tells when a book was rewritten, so a shorter one is a replica that lags behind. An old pod cannot
    // tell; its book is believed when it is shorter twice.
    this.#shorter = old && newest < this.last ? this.#shorter + 1 : 0;
    if (this.#shorter > 1) return false;
    if (before !== null && entries[0].id > this.last) return false;
    const read = new Map(entries.map((entry) => [entry.id, entry.text]));
    const known = this.entries.slice(this.indexOf(entries[0]?.id ?? Infinity), this.indexOf(newest + 1));
    return known.every(({ id, text }) => read.get(id) === text);
  }
}

// ---- Tabs: of all tabs of a browser that show this guestbook, one leads
//
// It alone follows the book, since a browser has six connections to a host, and tells the others: a stream in each would
// leave none for anything else. It keeps saying that it is there. When it does not, another claims to lead; the
// later claim counts, of two at a time that of the lower id. Nothing here needs https, as Web Locks would. A message:
//
//   { hello }                             a new tab asks who leads
//   { gone, id }                          the tab that led is closed
//   { term, id, state, last, … }          the tab id has claimed to lead as the term-th, and has read up to last
//   { …, after, entry } or { …, reset }   this has come; the entry follows the one at after

export class Tabs {
  latest = {}; // what the tab that leads has said last
  #id = newKey();
  #term = 0;
  #leader = ""; // its id; "" when nobody leads
  #heard = 0; // when
  #patience = LAPSE;
  #channel = null;
  #asked = null;

  // A Connection sets these: what to add to each sign of life, what to do with one, and when somebody else must lead.
  status = () => ({});
  hear = () => {};
  changed = () => {};

  constructor(name) {
    this.name = name;
    setInterval(() => this.#tick(), PULSE);
  }

  get canTalk() {
    return Boolean(window.BroadcastChannel) || store(`${this.name} works`, "?") && store(`${this.name} works`, "");
  }

  // join asks who leads, if that is not known.
  join() {
    if (this.#channel) return;
    this.#channel = openChannel(this.name, (message) => this.#take(message));
    this.#channel.send({ hello: true });
    this.#asked = new Promise((resolve) => setTimeout(resolve, GREETING));
  }

  // lead resolves to whether this tab leads. It does if nobody else does.
  async lead() {
    await this.#asked;
    if (!this.#channel) return false; // it has left meanwhile
    if (!this.#leader) {
      this.#leader = this.#id;
      this.#term++;
      this.say();
    }
    return this.#leads;
  }

  leave() {
    if (this.#leads) this.#channel.send({ gone: true, id: this.#id });
    this.#channel?.close();
    this.#channel = null;
    this.#leader = "";
  }

  // say tells the others how it stands, if this tab leads.
  say(news = {}) {
    if (this.#leads) this.#channel.send({ term: this.#term, id: this.#id, ...this.status(), ...news });
  }

  get #leads() {
    return this.#leader === this.#id;
  }

  #take(message) {
    const { hello, gone, term, id } = message;
    if (hello) this.say();
    else if (gone) {
      if (id === this.#leader) [this.#heard, this.#patience] = [0, 0];
    } else if (term < this.#term || (term === this.#term && this.#leader && id > this.#leader)) {
      this.say(); // it does not know of the claim that counts
    } else {
      const led = this.#leads;
      this.latest = message;
      [this.#term, this.#leader, this.#heard] = [term, id, Date.now()];
      this.#patience = LAPSE + Math.random() * 500; // not all claim at once
      if (led) this.changed();
      else this.hear(message);
    }
  }

  // The clock is asked: a timer would not count the time that the computer slept.
  #tick() {
    if (this.#leads) this.say();
    else if (this.#leader && Date.now() - this.#heard > this.#patience) {
      this.#leader = "";
      this.changed();
    }
  }
}

// openChannel is how the tabs talk. Browsers without BroadcastChannel tell of changes in the storage.
function openChannel(name, hear) {
  if (window.BroadcastChannel) {
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => hear(data);
    return { send: (message) => channel.postMessage(message), close: () => channel.close() };
  }
  const heard = ({ key, newValue }) => {
    if (key === name && newValue) hear(JSON.parse(newValue));
  };
  window.addEventListener("storage", heard);
  return {
    send: (message) => {
      store(name, JSON.stringify(message));
      store(name, ""); // else the same message again would be no change
    },
    close: () => window.removeEventListener("storage", heard),
  };
}

// ---- Connection: keeps a book up to date

export class Connection {
  #state = "connecting";
  #stream = null;
  #heard = 0; // when something came in it
  #silent = 0; // streams in a row in which nothing came
  #round = 0; // of connecting: an answer to an earlier one is ignored
  #misses = 0; // rounds in a row that did not reach the book, or could not follow it
  #hasty = 0; // readings to be given up soon: the browser may have this many dead connections left
  #timer = 0;
  #rewritten = false; // whether what is known of the book is no longer true
  #led = false; // whether another tab tells what comes
  #end = -1; // the newest entry that it has told of
  #sought = -1; // that for which the book was read last: it may not be shown

  // tell is told how it stands: "connecting", "live", "polling", "reconnecting" or "offline", and what went wrong.
  constructor(book, tell = () => {}, tabs = null) {
    Object.assign(this, { book, tell, tabs });
    if (tabs) {
      tabs.status = () => ({ state: this.#state, last: this.#rewritten ? -1 : book.last });
      tabs.hear = (message) => this.#hear(message);
      tabs.changed = () => this.connect();
    }
    // One deadline for whatever keeps a stream silent: a connection that died without a word, a proxy that keeps what it
    // should pass on. The clock is asked, as in Tabs.
    setInterval(() => {
      if (!this.#stream || Date.now() - this.#heard < SILENCE) return;
      if (this.#state === "live") {
        this.#hasty = 6;
        this.#say("reconnecting");
      }
      this.connect();
    }, PULSE);
  }

  // connect reads what is new and then follows the book from there on.
  async connect() {
    this.#disconnect();
    this.tabs?.join();
    const mine = ++this.#round;
    try {
      const page = await this.#read();
      if (mine !== this.#round) return;
      const instead = this.#rewritten;
      this.#rewritten = false;
      this.#hasty = 0;
      this.book.take(page, instead);
      if (page.old) {
        this.#misses = 0;
        this.#say("polling");
        this.#later(POLL);
        return;
      }
      const leads = !this.tabs || await this.tabs.lead();
      if (mine !== this.#round) return;
      if (leads) return this.#follow();
      this.#led = true;
      this.#misses = 0;
      this.#hear(this.tabs.latest);
    } catch (failure) {
      if (mine !== this.#round) return;
      const hasty = this.#hasty-- > 0;
      this.#say(hasty ? "reconnecting" : this.#misses > 0 ? "offline" : "connecting", failure);
      this.#later(hasty ? RECONNECTS[0] : Math.max(backoff(RECONNECTS, this.#misses++), failure.wait ?? 0));
      if (!(failure instanceof Failure)) throw failure;
    }
  }

  // rest lets the connection go.
  rest() {
    this.#round++;
    this.#disconnect();
    this.tabs?.leave();
  }

  // #read reads the newest page, with all in it that is known already: also one's own entries, and what another tab has
  // told of, which a replica may not have yet. What came between is read, too.
  async #read() {
    const { book } = this;
    const patience = this.#hasty > 0 ? HASTE : PATIENCE;
    let page;
    try {
      page = await readPage({ seen: this.#rewritten ? -1 : Math.max(book.newest, this.#end), patience });
    } catch (failure) {
      if (failure.status !== 400) throw failure;
      this.#rewritten = true; // the book has become shorter
      page = await readPage();
    }
    const gap = () => book.isRead && !this.#rewritten && page.before !== null && page.entries[0].id > book.last;
    while (gap() && page.entries.length < MOST_MISSED) {
      const more = await readPage({ before: page.before, limit: MOST_AT_A_TIME });
      page = { ...more, entries: [...more.entries, ...page.entries] };
    }
    return page;
  }

  #follow() {
    const silent = window.EventSource ? this.#silent++ : 2;
    if (silent > 0) this.#say("polling");
    // Where streams stay silent the book is read, and a stream is tried now and then.
    if (silent % 4 > 1) return this.#later(POLL);
    const { book } = this;
    const stream = new EventSource(`guestbook/events?after=${book.last}`); // -1: from the first entry on
    this.#stream = stream;
    this.#heard = Date.now();
    const live = () => {
      this.#misses = 0;
      if (this.#state !== "live") this.#say("live");
    };
    const heard = () => {
      this.#heard = Date.now();
      this.#silent = 0;
      live();
    };
    stream.addEventListener("open", () => {
      if (silent === 0) live(); // later on it is believed once something comes
    });
    stream.addEventListener("heartbeat", heard);
    stream.addEventListener("entry", ({ data }) => {
      heard();
      const after = book.last;
      const entry = JSON.parse(data);
      book.add(entry);
      this.tabs?.say({ after, entry });
    });
    stream.addEventListener("reset", () => {
      heard();
      this.tabs?.say({ reset: true });
      this.#reset();
    });
    stream.addEventListener("error", () => {
      // Not left to the browser. It would resume where it was, though the book may have been written anew meanwhile;
      // it gives up at any status but 200; and it does not tell when it cannot reach the server.
      if (this.#state === "live") this.#say("reconnecting");
      else if (this.#misses > 1) this.#say("polling"); // the book is read, at each try
      this.#silent = 0;
      this.#disconnect();
      this.#later(backoff(RECONNECTS, this.#misses++));
    });
  }

  // #hear is told what comes in the stream of another tab.
  #hear({ state, last, after, entry, reset }) {
    this.#end = last;
    if (reset) this.#reset();
    if (!this.#led) return; // still reading
    if (entry && after <= this.book.last) this.book.add(entry);
    if (last > this.book.last && last !== this.#sought) {
      this.#sought = last; // something was missed
      this.connect();
    } else if (state !== this.#state) this.#say(state);
  }

  #reset() {
    this.#rewritten = true;
    this.#end = this.#sought = -1;
    this.#disconnect();
    this.#later(backoff(RECONNECTS, 0)); // not at once: all viewers are told at the same moment
  }

  #say(state, failure) {
    this.#state = state;
    this.tell(state, failure);
    this.tabs?.say();
  }

  #later(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), delay);
  }

  #disconnect() {
    clearTimeout(this.#timer);
    this.#stream?.close();
    this.#stream = null;
    this.#led = false;
  }
}

// ---- Outbox: entries that the server has not confirmed
//
// It survives a reload, each item under its own name in the storage, which several pages share. An item's state:
//
//   sending   a request is out
//   held      certainly not in the book; it is sent again by itself
//   unsure    no answer, so it may be in the book; it is sent again by itself, under its key
//   refused   certainly not in the book; the visitor decides
//   lost      it may be in the book; the visitor decides

export class Outbox {
  items = new Map(); // by key, in the order of signing
  #mine = new Set(); // ids of the entries that it has brought into the book

  // changed is told when there is something to show, tell what to say.
  constructor(book, prefix, changed = () => {}, tell = () => {}) {
    Object.assign(this, { book, prefix, changed, tell });
  }

  sign(text) {
    // A copy of it that comes after this entry may be the item itself; before the book was read, none is.
    const after = this.book.isRead ? this.book.newest : null;
    this.#send({ key: newKey(), text, at: Date.now(), after, state: "held", reason: "" });
  }

  retry(item) {
    item.state = item.state === "refused" ? "held" : "unsure";
    this.#send(item);
  }

  takeBack(item) {
    this.#forget(item);
    item.cancel?.abort();
    this.changed();
  }

  // gone is told of a name in the storage that another page has removed.
  gone(name) {
    const item = name?.startsWith(this.prefix) && this.items.get(name.slice(this.prefix.length));
    if (item) this.takeBack(item);
  }

  // restore takes up what an earlier page left.
  restore() {
    const items = [];
    for (const [name, value] of Object.entries(stored())) {
      if (!name.startsWith(this.prefix)) continue;
      try {
        const item = JSON.parse(value);
        if (name === this.prefix + item.key && typeof item.text === "string") items.push(item);
      } catch {
        store(name, "");
      }
    }
    for (const item of items.sort((a, b) => a.at - b.at)) {
      if (!["held", "refused", "lost"].includes(item.state)) item.state = "unsure";
      if (item.state === "unsure" && Date.now() - item.at > REPEATABLE) {
        this.#put(item, "lost", "It is not certain that this entry arrived. Look for it in the book before you retry.");
      } else if (isFailed(item)) this.#put(item, item.state, item.reason);
      else this.#send(item);
    }
  }

  // wake sends what waits: now it may get through.
  wake() {
    for (const item of this.items.values()) item.wake?.();
  }

  // claims tells whether an entry of the book may be an item that is being sent: its answer will tell.
  claims(entry) {
    for (const item of this.items.values()) {
      if (item.state !== "held" && item.state !== "refused" && this.#isCopy(item, entry)) return true;
    }
    return false;
  }

  // look is told of new entries: a copy of an item without an answer is a reason to ask.
  look(entries) {
    for (const item of this.items.values()) {
      if (!entries.some((entry) => this.#isCopy(item, entry))) continue;
      if (item.state === "lost") this.retry(item);
      else item.wake?.();
    }
  }

  #isCopy({ text, after }, entry) {
    return after !== null && entry.id > after && entry.text === text && !this.#mine.has(entry.id);
  }

  // #send posts an item until the outcome is known, or it has tried often enough.
  async #send(item) {
    item.slow = false;
    const slow = setTimeout(() => {
      item.slow = true;
      this.changed();
    }, SLOW);
    for (let tries = 0; item.state !== "lost" && item.state !== "refused"; tries++) {
      const sure = item.state === "held";
      const copy = this.book.entries.slice(this.book.indexOf(item.after ?? Infinity))
        .find((entry) => this.#isCopy(item, entry));
      this.#put(item, "sending", item.reason); // the page may be closed now
      item.cancel = new AbortController();
      let failure;
      try {
        this.#settle(item, await postEntry(item, item.cancel));
        break;
      } catch (error) {
        failure = error;
      }
      if (!this.items.has(item.key)) break;
      // The server was asked and did not say whose the copy is: to the reader it is the same.
      if (copy && !(sure && failure.certain)) {
        this.#settle(item, copy);
        break;
      }
      const patient = failure.old || failure.away;
      this.#judge(item, failure, sure && failure.certain, patient || (failure.passing && tries < RETRIES.length));
      if (!(failure instanceof Failure)) throw failure;
      if (!isFailed(item)) await this.#pause(item, Math.max(backoff(RETRIES, tries), failure.wait));
      if (!this.items.has(item.key)) break;
    }
    clearTimeout(slow);
  }

  #judge(item, { message, status, old, away }, sure, again) {
    if (status === 422) { // the key belongs to another entry
      this.#forget(item);
      item.key = newKey();
    }
    const wait = old ? "Your entry waits here until that is done." : away ? "Your entry waits here until you are." : "Trying again.";
    if (again && sure) this.#put(item, "held", `${message} ${wait}`);
    else if (again) this.#put(item, "unsure", "No answer yet. Trying again.");
    else if (sure) this.#put(item, "refused", `Not in the book yet. ${message}`);
    else this.#put(item, "lost", `${message} It is not certain that this entry arrived. Retrying is safe: it will not appear twice.`);
    if (!again) this.tell("Your entry could not be sent.");
  }

  #settle(item, entry) {
    if (!this.items.has(item.key)) return;
    this.#mine.add(entry.id);
    this.#forget(item);
    this.book.confirm(entry);
    this.changed();
    this.tell("Your entry is in the book.");
  }

  #put(item, state, reason) {
    Object.assign(item, { state, reason });
    this.items.set(item.key, item);
    const { key, text, at, after } = item;
    store(this.prefix + key, JSON.stringify({ key, text, at, after, state, reason }));
    this.changed();
  }

  #forget(item) {
    this.items.delete(item.key);
    store(this.prefix + item.key, "");
    item.wake?.();
  }

  #pause(item, delay) {
    return new Promise((resolve) => {
      item.wake = resolve;
      setTimeout(resolve, delay);
    });
  }
}

function isFailed({ state }) {
  return state === "refused" || state === "lost";
}

// newKey makes a random UUID. crypto.randomUUID is missing where a page comes by plain http.
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// The storage may be switched off or full; the page works without it, and nothing survives a reload, then.
function store(name, value, storage = "localStorage") {
  try {
    if (value === "") window[storage].removeItem(name);
    else window[storage].setItem(name, value);
    return true;
  } catch {
    return false;
  }
}

function stored(storage = "localStorage") {
  try {
    return { ...window[storage] };
  } catch {
    return {};
  }
}

// ---- List: book and outbox in the document, newest first, what is being sent above all

export class List {
  #shown = new Map(); // by an entry's id or an item's key: { li, text }
  #from = -Infinity; // the ids of the entries in the document, which has room for only so many:
  #to = Infinity; // from the first to the last
  #news = []; // entries to be marked as new
  #unseen = 0; // entries that came while the top was out of sight
  #place = null; // what is being read: { li, top, scrollY }
  #stop = null; // the link that the Tab key leads to
  #timer = 0;
  #shownAt = 0;
  #reading = false;
  #failure = null; // of reading older entries, and where: not again by itself

  // ul, older, state and fresh are elements; act has what an item's buttons do: retry, edit and discard.
  constructor({ ul, older, state, fresh }, book, outbox, act) {
    Object.assign(this, { ul, older, state, fresh, book, outbox, act });
    older.addEventListener("click", () => {
      // A screen reader can press it out of sight. Who reads so is down there now: who is at the top is shown the newest.
      older.scrollIntoView({ block: "nearest", behavior: "instant" });
      this.loadOlder();
    });
    fresh.addEventListener("click", () => {
      this.goToTop();
      focusOn(ul.firstElementChild);
      window.scrollTo(0, 0);
    });
    ul.addEventListener("keydown", (event) => this.#walk(event));
    ul.addEventListener("focusin", ({ target }) => this.#stopAt(target.closest("li")));
    window.addEventListener("scroll", () => this.#look(), { passive: true });
    window.addEventListener("resize", () => {
      this.#place = null;
      this.#fold([...this.#shown.values()]);
      this.#look();
    });
  }

  // add shows entries that have come: at once, or in a moment if they come in a burst.
  add(entries) {
    entries = entries.filter((entry) => !this.outbox.claims(entry));
    this.#news.push(...entries);
    if (!this.#atTop) this.#unseen += entries.length;
    const delay = this.#shownAt + 200 - performance.now();
    if (delay <= 0) this.show();
    else this.#timer ||= setTimeout(() => this.show(), delay);
  }

  // show brings the document in line with book and outbox, without moving what is being read.
  show() {
    this.#render();
    this.#look();
  }

  #render() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#shownAt = performance.now();
    if (!this.book.isRead) [this.#from, this.#to] = [-Infinity, Infinity];
    if (this.#to === Infinity && this.#entries().length > MOST_SHOWN) this.#makeRoom();
    this.#steady(() => this.#draw());
    this.#summarize();
  }

  async loadOlder() {
    if (this.#reading || this.older.hidden) return;
    this.#reading = true;
    this.older.classList.add("busy");
    try {
      const first = this.#entries()[0]?.id ?? this.book.before;
      if (this.book.indexOf(first) === 0) await this.#read(PAGE);
      const { entries } = this.book;
      const i = Math.max(0, this.book.indexOf(first) - PAGE);
      this.#from = i === 0 ? -Infinity : entries[i].id;
      if (entries[i + MOST_SHOWN]?.id <= this.#to) this.#to = entries[i + MOST_SHOWN - 1].id;
      const focused = document.activeElement === this.older;
      this.show();
      if (focused) focusOn(this.#shown.get(entries[this.book.indexOf(first) - 1]?.id)?.li);
      this.#failure = null;
    } catch (failure) {
      this.#failure = { before: this.book.before, message: failure.message };
      if (!(failure instanceof Failure)) throw failure;
    } finally {
      this.#reading = false;
      this.older.classList.remove("busy");
      this.#summarize();
    }
    // When the reader has scrolled as far down as the list was just held back, no event tells of it.
    requestAnimationFrame(() => this.#look());
  }

  // check reads again what is shown, and drops what the keeper has hidden since.
  async check() {
    const { book } = this;
    const shown = this.#entries();
    const there = new Set();
    let before = book.entries[book.indexOf(this.#to + 1)]?.id;
    while (shown.length > 0 && before !== null && !(before <= shown[0].id)) {
      const page = await readPage({ before, seen: book.newest, limit: Math.min(shown.length, MOST_AT_A_TIME) });
      if (page.old) return; // it may come from a replica that lags behind
      for (const { id } of page.entries) there.add(id);
      before = page.before;
    }
    const gone = shown.filter(({ id }) => !there.has(id));
    if (gone.length > 0) book.drop(gone);
  }

  // goTo shows the entry with this id, and resolves to whether there is one.
  async goTo(id) {
    this.ul.querySelector(".linked")?.classList.remove("linked");
    while (typeof this.book.before === "number" && id < this.book.before) await this.#read(MOST_AT_A_TIME);
    if (!this.book.find(id)) return false;
    const { entries } = this.book;
    const i = this.book.indexOf(id);
    this.#from = entries[i - MOST_SHOWN / 4]?.id ?? -Infinity;
    this.#to = entries[i + MOST_SHOWN / 4]?.id ?? Infinity;
    this.#render();
    const { li } = this.#shown.get(id);
    li.classList.add("linked");
    focusOn(li);
    li.scrollIntoView({ block: "center" });
    this.#look();
    return true;
  }

  // goToTop shows the newest entries, and keeps a page that is left open for weeks small.
  goToTop() {
    [this.#from, this.#to] = [-Infinity, Infinity];
    if (this.book.entries.length > MOST_SHOWN) this.book.letGo(MOST_SHOWN / 2);
    this.#unseen = 0;
    this.show();
  }

  get #atTop() {
    return this.ul.getBoundingClientRect().top > 0;
  }

  #entries() {
    return this.book.entries.slice(this.book.indexOf(this.#from), this.book.indexOf(this.#to + 1));
  }

  // #makeRoom lets the oldest go, unless that is what is being read: then what comes is not shown yet.
  #makeRoom() {
    if (this.#atTop) this.book.letGo(MOST_SHOWN / 2);
    else this.#to = this.#entries()[MOST_SHOWN - 1].id;
  }

  // #look does what follows from what is in sight.
  #look() {
    const far = this.#to < Infinity;
    if (this.#atTop && (far || this.#unseen > 0)) this.goToTop();
    else if (far && this.ul.getBoundingClientRect().top > -2 * innerHeight) this.#showNewer();
    const near = this.older.getBoundingClientRect().top < innerHeight + 400;
    // Not from under the fingers of who is about to press it.
    if (near && document.activeElement !== this.older && this.#failure?.before !== this.book.before) this.loadOlder();
  }

  #showNewer() {
    const { entries } = this.book;
    const i = this.book.indexOf(this.#to) + 2 * PAGE;
    this.#to = entries[i]?.id ?? Infinity;
    const first = Math.min(i, entries.length) - MOST_SHOWN;
    if (first > this.book.indexOf(this.#from)) this.#from = entries[first].id;
    this.show();
  }

  async #read(limit) {
    const { before } = this.book;
    const page = await readPage({ before, limit });
    if (this.book.before === before) this.book.prepend(page);
  }

  // #steady does something to the document. What is being read stays where it is, to the pixel: it is remembered until
  // the reader scrolls, so that roundings do not add up.
  #steady(act) {
    let place = this.#place;
    if (!place?.li.isConnected || Math.abs(scrollY - place.scrollY) > 1) place = this.#findPlace();
    act();
    this.#place = null;
    if (!place) return;
    const li = place.seen.find(({ isConnected }) => isConnected);
    if (!li) return;
    const top = place.tops.get(li);
    window.scrollBy({ top: li.getBoundingClientRect().top - top, behavior: "instant" });
    this.#place = { ...place, li, scrollY };
  }

  // #findPlace is which entries are in sight, and where, if the top of the list is not.
  #findPlace() {
    const { children } = this.ul;
    if (this.#atTop || children.length === 0) return null;
    let low = 0;
    for (let high = children.length - 1; low < high;) {
      const middle = (low + high) >> 1;
      if (children[middle].getBoundingClientRect().bottom <= 0) low = middle + 1;
      else high = middle;
    }
    const seen = [...children].slice(low, low + 30);
    return { li: seen[0], seen, tops: new Map(seen.map((li) => [li, li.getBoundingClientRect().top])) };
  }

  #draw() {
    const { ul } = this;
    const wanted = new Map();
    for (const item of [...this.outbox.items.values()].reverse()) wanted.set(item.key, this.#item(item));
    const entries = this.#entries().filter((entry) => !this.outbox.claims(entry));
    for (const entry of entries.reverse()) wanted.set(entry.id, this.#entry(entry));
    const focused = document.activeElement.closest("li");
    const index = [...ul.children].indexOf(focused);
    for (const [key, { li }] of this.#shown) if (wanted.get(key)?.li !== li) li.remove();
    let at = ul.firstElementChild;
    const added = [];
    for (const shown of wanted.values()) {
      if (shown.li === at) at = at.nextElementSibling;
      else {
        ul.insertBefore(shown.li, at);
        added.push(shown);
      }
    }
    this.#shown = wanted;
    this.#fold(added);
    this.#mark();
    if (focused && !focused.isConnected) focusOn(ul.children[index] ?? ul.lastElementChild);
    if (!ul.contains(document.activeElement)) this.#stopAt(ul.querySelector("li[id]"));
  }

  #entry({ id, text }) {
    const shown = this.#shown.get(id);
    if (shown?.text === text) return shown;
    const li = entryElement(text);
    li.id = `e${id}`;
    const link = element("a", "link", "#");
    link.href = `#e${id}`;
    link.tabIndex = -1;
    link.setAttribute("aria-label", "Link to this entry");
    li.append(link);
    return { li, text };
  }

  // #item shows an item as it stands.
  #item(item) {
    const shown = this.#shown.get(item.key) ?? { li: entryElement(item.text), text: item.text };
    const { li } = shown;
    const failed = isFailed(item);
    const offer = failed || item.slow;
    const note = (item.slow || item.state !== "held") && item.reason || "Sending";
    if (shown.note === note && shown.offer === offer && shown.failed === failed) return shown;
    Object.assign(shown, { note, offer, failed });
    const focused = li.contains(document.activeElement);
    li.className = failed ? "failed" : "pending";
    li.querySelector(".fate")?.remove();
    const fate = element("div", "fate");
    fate.append(element("p", "note", note));
    const button = (name, label) => {
      const node = buttonElement(name, label);
      node.addEventListener("click", () => this.act[name](item));
      fate.append(node);
    };
    if (failed) button("retry", "Retry");
    if (offer) button("edit", "Edit");
    if (offer) button("discard", failed ? "Discard" : "Cancel");
    li.append(fate);
    if (focused) focusOn(li);
    return shown;
  }

  // #fold shortens long entries: else one visitor could bury the book.
  #fold(added) {
    const tall = added.filter(({ li }) => {
      const words = li.querySelector(".words");
      return !li.querySelector(".more") && words.scrollHeight > words.clientHeight + 2;
    });
    for (const { li } of tall) {
      const more = buttonElement("more", "Show all");
      more.setAttribute("aria-expanded", false);
      more.addEventListener("click", () => {
        const open = li.classList.toggle("open");
        more.setAttribute("aria-expanded", open);
        more.textContent = open ? "Show less" : "Show all";
        if (!open) li.scrollIntoView({ block: "nearest" });
      });
      li.querySelector(".words").after(more);
    }
  }

  // #mark marks what is new for a while. A few glow; hundreds would keep the processor busy.
  #mark() {
    const marked = this.#news.map(({ id }) => this.#shown.get(id)?.li).filter(Boolean);
    this.#news = [];
    if (marked.length === 0) return;
    const few = marked.length + this.ul.querySelectorAll(".new").length <= 3;
    for (const li of marked) li.classList.add("new", ...(few ? ["glow"] : []));
    setTimeout(() => marked.forEach((li) => li.classList.remove("new", "glow")), QUIET);
  }

  #summarize() {
    const { book, state, fresh } = this;
    this.older.hidden = !book.isRead || (book.before === null && this.#from === -Infinity);
    if (book.isRead) {
      state.hidden = !this.older.hidden;
      state.className = this.ul.childElementCount === 0 ? "empty" : "";
      state.textContent = state.className === "empty"
        ? "No entries yet. The first page is yours."
        : "This is where the book begins.";
    }
    const failed = this.#failure && this.#failure.before === book.before;
    this.older.textContent = failed ? `${this.#failure.message} Try again` : "Older entries";
    fresh.hidden = this.#unseen === 0;
    fresh.textContent = this.#unseen === 1 ? "1 new entry" : `${this.#unseen} new entries`;
  }

  // The list is one stop of the Tab key; from there the arrow keys lead from entry to entry.
  #walk(event) {
    const li = event.target.closest("li");
    const next = { ArrowDown: li?.nextElementSibling, ArrowUp: li?.previousElementSibling }[event.key];
    if (!next) return;
    event.preventDefault();
    focusOn(next);
  }

  #stopAt(li) {
    const link = li?.querySelector(".link");
    if (!link) return;
    if (this.#stop) this.#stop.tabIndex = -1;
    this.#stop = link;
    link.tabIndex = 0;
  }
}

function element(name, className, text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

function buttonElement(className, label) {
  const button = element("button", className, label);
  button.type = "button";
  return button;
}

function entryElement(text) {
  const li = element("li", "");
  const words = element("p", "words", text);
  words.dir = "auto";
  words.lang = ""; // unknown
  li.append(words);
  return li;
}

// focusOn gives the focus to an entry, or to the field where there is none.
function focusOn(li) {
  if (li) li.tabIndex = -1;
  (li ?? byId("text")).focus({ preventScroll: !li });
}

// ---- The page

// A pod of the version before may have served the document. What that lacks is not shown.
function byId(id) {
  return document.getElementById(id) ?? document.createElement("p");
}

// What screen readers say: one short message in a while. What is one's own is never left out.
const unsaid = new Set();
let heard = [];
let quiet = 0;

function announce(message, entries = []) {
  if (message) unsaid.add(message);
  heard.push(...entries);
  if (quiet) return;
  const [entry] = heard;
  if (heard.length === 1) unsaid.add(`New entry: ${entry.text.length > 80 ? `${entry.text.slice(0, 80)}…` : entry.text}`);
  else if (entry) unsaid.add(`${heard.length} new entries.`);
  byId("news").textContent = [...unsaid].join(" ");
  if (unsaid.size > 0) {
    quiet = setTimeout(() => {
      quiet = 0;
      announce();
    }, QUIET);
  }
  unsaid.clear();
  heard = [];
}

// What one has written is kept while one signs in again.
function showSignIn(needed) {
  const notice = byId("notice");
  if (needed === Boolean(notice.querySelector("a"))) return;
  const link = element("a", "", "Sign in again");
  link.href = location.pathname + location.search; // without a place in the page, so that it is loaded anew
  notice.textContent = needed ? `${SIGN_IN} What you have written is kept. ` : "";
  if (needed) notice.append(link);
}

// The foot names who answered last, so that scaling and a rollout can be watched.
function showAnswerer(header) {
  if (!header) return;
  const [pod, version] = header.split(" ");
  byId("answerer").hidden = false;
  byId("pod").textContent = pod;
  byId("version").textContent = version ? `, version ${version}` : "";
}

const form = byId("sign");
const field = byId("text");
const HERE = new URL(".", location.href).pathname; // a host may have several guestbooks
const DRAFT = `guestbook draft ${HERE}`;

let unread = 0; // entries that came while the page was hidden

function showUnread() {
  document.title = unread === 0 ? "Guestbook" : `(${unread}) Guestbook`;
}

const book = new Book((news) => {
  outbox.look(news);
  const others = news.filter((entry) => !outbox.claims(entry));
  list.add(news);
  if (others.length > 0) announce("", others);
  if (document.hidden) unread += others.length;
  showUnread();
});

const outbox = new Outbox(book, `guestbook unsent ${HERE} `, () => list.show(), announce);

const list = new List({ ul: byId("entries"), older: byId("older"), state: byId("state"), fresh: byId("fresh") }, book, outbox, {
  retry: (item) => outbox.retry(item),
  edit: (item) => {
    field.value = [item.text, field.value.trim()].filter(Boolean).join("\n");
    outbox.takeBack(item);
    drafted();
    field.focus();
  },
  discard: (item) => {
    outbox.takeBack(item);
    field.focus();
  },
});

const STATES = {
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  live: "Live",
  polling: "Connected",
  offline: "Not connected",
};

const tabs = new Tabs(`guestbook live ${HERE}`);

const connection = new Connection(book, (state, failure) => {
  const status = byId("connection");
  if (status.textContent !== STATES[state]) status.textContent = STATES[state];
  status.dataset.state = state;
  status.title = state === "polling" ? "This server cannot show entries live. The book is read every few seconds." : "";
  if (state === "live" || state === "polling") {
    outbox.wake();
    openLink();
  } else if (failure && !book.isRead) {
    byId("state").className = "broken";
    byId("state").textContent = `${failure.message} Trying again.`;
  }
}, tabs);

// openLink goes to the entry that the address names, once.
let opened = "";

async function openLink() {
  const [, id] = /^#e(\d+)$/.exec(location.hash) ?? [];
  if (!book.isRead || !id || opened === id) return;
  opened = id;
  const notice = byId("notice");
  notice.textContent = "Looking for the entry that this link leads to.";
  try {
    const found = await list.goTo(Number(id));
    notice.textContent = found ? "" : "The entry that this link leads to is not in the book any more.";
    if (!found) notice.scrollIntoView({ block: "nearest" });
  } catch (failure) {
    opened = "";
    notice.textContent = failure.message;
  }
}

function complain(message) {
  byId("error").textContent = "";
  if (message) byId("error").append(element("span", "", message)); // a new one is said again
  byId("error").hidden = message === "";
}

// drafted follows the text as it is written. How many letters fit depends on the letters.
function drafted() {
  store(DRAFT, field.value, "sessionStorage");
  const text = field.value.trim();
  const size = bytesOf(text);
  const over = size > LONGEST_TEXT;
  const letters = Math.ceil(Math.abs(LONGEST_TEXT - size) / (size / Math.max(1, [...text].length)));
  byId("count").hidden = size < COUNT_FROM;
  byId("count").classList.toggle("over", over);
  byId("count").textContent = size < COUNT_FROM ? "" : over ? `About ${letters} letters too long` : `Room for about ${letters} letters`;
  field.setAttribute("aria-invalid", over);
  byId("post").setAttribute("aria-disabled", over);
  complain("");
}

let signed = -Infinity; // when

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = field.value.trim();
  if (isBlank(text)) {
    // The second click of a double click, or the keys held: there is nothing to complain about.
    if (text === "" && performance.now() - signed < 1000) signed = performance.now();
    else complain(text === "" ? "Write a few words first." : "Nothing of this can be seen. Write a few words.");
  } else if (bytesOf(text) > LONGEST_TEXT) {
    complain("This is too long for one entry.");
  } else {
    field.value = "";
    drafted();
    outbox.sign(text);
    signed = performance.now();
    return;
  }
  field.focus();
});

field.addEventListener("input", drafted);

field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) byId("post").click();
});

// ---- The browser's own events

window.addEventListener("hashchange", () => {
  opened = "";
  byId("notice").textContent = "";
  openLink();
});

// The browser may be wrong about either, so the server is asked.
for (const change of ["online", "offline"]) {
  window.addEventListener(change, () => {
    connection.connect();
    outbox.wake();
  });
}

// Another page of this browser has sent or dropped an entry that both hold.
window.addEventListener("storage", ({ key, newValue }) => {
  if (newValue === null) outbox.gone(key);
});

function check() {
  if (!document.hidden && book.isRead) list.check().catch(() => {}); // the next one may get through
}

setInterval(check, CHECK);

let resting = 0; // the timer of a hidden page, or -1 when it has let its connection go

document.addEventListener("visibilitychange", () => {
  clearTimeout(resting);
  if (document.hidden) {
    // Browsers have six connections to a host. Where each tab needs its own, those in sight have them.
    resting = setTimeout(rest, tabs.canTalk ? HIDDEN : 0);
    return;
  }
  unread = 0;
  showUnread();
  if (resting === -1) connection.connect();
  resting = 0;
  check();
});

function rest() {
  resting = -1;
  connection.rest();
}

// Each tab has its own draft. One that is closed leaves it to the next that is opened.
window.addEventListener("pagehide", () => {
  if (field.value) store(DRAFT, field.value);
  rest();
});

window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) connection.connect();
  if (stored()[DRAFT] === field.value) store(DRAFT, "");
});

if (/Mac|iPhone|iPad/.test(navigator.platform)) byId("hint").querySelector("kbd").textContent = "⌘";
byId("post").disabled = false;
field.value ||= stored("sessionStorage")[DRAFT] ?? stored()[DRAFT] ?? "";
drafted();
outbox.restore();
connection.connect();
byId("stuck").remove();
