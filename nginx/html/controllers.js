// The guestbook's page: it lists the entries, follows the book live and signs it.
//
// It stays one file on purpose: while a new version is rolled out, each request of a page load may be
// answered by another pod, and two scripts of different versions would not fit together. All addresses
// are relative, so that the page works below any path.

const PAGE = 50; // entries read at a time
const LONGEST_TEXT = 4096; // bytes of UTF-8, the server's limit
const COUNT_FROM = LONGEST_TEXT - 400; // bytes from which on the room left is shown
const LONGEST_ADDRESS = 7000; // Apache and stock nginx refuse request lines past 8,190 bytes
const MOST_SHOWN = 1000; // entries in the list past which the oldest are let go again
const PATIENCE = 10_000; // ms for one request
const LONGEST_WAIT = 30_000; // ms, whatever Retry-After says
const RETRIES = [500, 1000, 2000, 4000, 8000, 8000]; // ms before sending an unconfirmed entry again
const RECONNECTS = [500, 1000, 2000, 4000, 8000, 15_000]; // ms; the last one for ever
const POLL = 10_000; // ms between two readings of the book where it cannot be followed
const HIDDEN = 5 * 60_000; // ms until a hidden page gives its connection back: browsers have only six
const REPEATABLE = 20 * 3600_000; // ms; the server remembers a key for a day

// ---- The book in one string: how frontends without the entries interface read and write it

// An entry is a comma followed by its text, so a comma inside the text is written %2C, and a % is
// written %25 only where it would be misread, before 2C or 25. Everything else stays as it is.
export function encode(text) {
  return text.replace(/%(?=2C|25)/g, "%25").replaceAll(",", "%2C");
}

export function decode(written) {
  return written.replace(/%2C|%25(?=2C|25)/g, (code) => (code === "%2C" ? "," : "%"));
}

// entriesOf lists a book's entries, oldest first. An entry's id is the byte at which it starts, as in
// the entries interface. Empty items are no entries: "".split(",") has one.
export function entriesOf(book) {
  const entries = [];
  let id = 0;
  for (const [i, item] of book.split(",").entries()) {
    if (item !== "") entries.push({ id, text: decode(item) });
    id += bytesOf(item) + (i > 0 ? 1 : 0);
  }
  return entries;
}

function bytesOf(string) {
  return new TextEncoder().encode(string).length;
}

// ---- The server

// Failure is an error whose message is meant for the visitor. A passing one may be gone at the next
// try, and leaves open whether the request was carried out.
class Failure extends Error {
  constructor(message, { passing = false, status = 0, wait = 0 } = {}) {
    super(message);
    Object.assign(this, { passing, status, wait });
  }
}

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

// ask resolves to the status and the JSON object of an answer; answer is null when there is none.
async function ask(path, init) {
  let response, body;
  try {
    response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE), ...init });
    body = await response.text();
  } catch {
    throw new Failure("The guestbook cannot be reached.", { passing: true });
  }
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

function post(path, fields, headers) {
  return ask(path, { method: "POST", body: new URLSearchParams(fields), headers });
}

function failureOf({ status, answer, wait }) {
  let message = STATUS_TEXT[status] ?? `The guestbook answered with an error (${status}).`;
  if (typeof answer?.error === "string" && answer.error !== "") {
    message = answer.error[0].toUpperCase() + answer.error.slice(1) + (/[.!?]$/.test(answer.error) ? "" : ".");
  } else if (status < 400) {
    message = "The guestbook gave an answer that makes no sense.";
  }
  const passing = status === 408 || status === 429 || (status >= 500 && status !== 507);
  return new Failure(message, { passing, status, wait });
}

// An old pod, met during a rollout, does not know the entries' paths.
function fromOldPod({ status, answer }) {
  return status === 404 || status === 405 || (status < 300 && answer === null);
}

// readPage resolves to the newest entries, or those before one, oldest first: { entries, before, old }.
// An answer older than the entry seen is none; that fails with 400 where the book does not reach so far.
async function readPage({ before, seen } = {}) {
  const query = new URLSearchParams({ limit: PAGE, ...(before >= 0 && { before }), ...(seen >= 0 && { seen }) });
  const reply = await ask(`guestbook/entries?${query}`);
  if (reply.status === 200 && Array.isArray(reply.answer?.entries)) {
    return { entries: reply.answer.entries, before: reply.answer.before ?? null, old: false };
  }
  if (!fromOldPod(reply)) throw failureOf(reply);
  const all = entriesOf(await readBook()).filter((entry) => before === undefined || entry.id < before);
  const entries = all.slice(-PAGE);
  return { entries, before: all.length > PAGE ? entries[0].id : null, old: true };
}

// command sends one of the commands that every frontend of this family knows.
async function command(fields) {
  const query = new URLSearchParams({ ...fields, key: "messages" });
  const send = (path) => (path.length + String(query).length < LONGEST_ADDRESS
    ? ask(`${path}?${query}`)
    : post(path, query));
  let reply = await send("guestbook/");
  if (reply.status === 404) reply = await send("guestbook.php");
  if (reply.status !== 200 || reply.answer === null) throw failureOf(reply);
  return reply.answer;
}

let longestBook = 0; // characters of the longest book read since the page was loaded

async function readBook() {
  const { data } = await command({ cmd: "get" });
  if (typeof data !== "string") throw new Failure("The guestbook gave an answer that makes no sense.");
  longestBook = Math.max(longestBook, data.length);
  return data;
}

// addToBook writes the book back with one more entry. A book that could not be read is never written;
// nor is one that was seen longer: a replica that has not caught up reads like an empty book.
async function addToBook(text, beforeWriting) {
  const longest = longestBook;
  const book = await readBook();
  if (book.length < longest) {
    throw new Failure("The guestbook came back shorter than it was, so nothing was written. "
      + "Retry in a moment, or reload the page if it was cleared on purpose.");
  }
  beforeWriting();
  const { message } = await command({ cmd: "set", value: `${book},${encode(text)}` });
  if (message !== "Updated") throw new Failure("The guestbook did not confirm the entry.", { passing: true });
  return { id: bytesOf(book), text };
}

// ---- The list, newest first; entries that are still being sent stand above the others

const byId = (id) => document.getElementById(id);
const form = byId("sign");
const field = byId("text");
const list = byId("entries");
const older = byId("older");
const fresh = byId("fresh");

const shown = new Map(); // id to li
let loaded = false; // whether a page of the book was ever read
let cursor = null; // where older entries go on; null at the beginning of the book
let last = -1; // id of the newest entry read; one's own are not read but known
let arrivals = []; // entries received and not yet shown
let unread = 0; // entries that arrived while the page was hidden
let below = 0; // entries that arrived while the top of the list was out of sight
let rewritten = false; // whether what is shown is known to be no longer true
let shorter = 0; // times in a row that an old pod's book was shorter than what is shown

function element(name, className, text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

function entryElement(text) {
  const li = element("li", "");
  const words = element("p", "words", text);
  words.dir = "auto";
  li.append(words);
  return li;
}

function wordsOf(li) {
  return li.querySelector(".words").textContent;
}

// place puts an entry where its id belongs. It returns false if the entry was there already.
function place({ id, text }, li = entryElement(text)) {
  if (shown.has(id)) return false;
  li.dataset.id = id;
  shown.set(id, li);
  const isOlder = (other) => other.dataset.id !== undefined && Number(other.dataset.id) < id;
  const end = list.lastElementChild;
  const next = end && isOlder(end) ? [...list.children].find(isOlder) : null;
  list.insertBefore(li, next);
  return true;
}

function remove(id, li) {
  li.remove();
  shown.delete(id);
}

function clear() {
  for (const [id, li] of shown) remove(id, li);
  arrivals = [];
  last = -1;
  loaded = false;
}

// take shows a page of the newest entries: beside what is shown if it continues that, else instead.
function take({ entries, before, old }) {
  if (rewritten || (loaded && !continues(entries, before, old))) clear();
  if (loaded) {
    arrivals.push(...entries);
    flush();
  } else {
    for (const [id, li] of shown) {
      if (before !== null && id < before) remove(id, li); // one's own, found to be older than this page
    }
    for (const entry of entries) place(entry);
    cursor = before;
    loaded = true;
    rewritten = false;
  }
  last = Math.max(last, entries.at(-1)?.id ?? -1);
  older.textContent = "Older entries";
  summarize();
}

// continues tells whether a page fits what is shown, with nothing missing between.
function continues(entries, before, old) {
  const newest = entries.at(-1)?.id ?? -1;
  // The stream tells when a book was rewritten, so a shorter one is a replica that lags behind. An old
  // pod cannot tell; its book is believed when it is shorter twice.
  shorter = old && newest < last ? shorter + 1 : 0;
  if (shorter > 1) return false;
  if (before !== null && entries[0].id > last) return false;
  const read = new Map(entries.map((entry) => [entry.id, entry.text]));
  for (const [id, li] of shown) {
    if (id >= entries[0]?.id && id <= newest && read.get(id) !== wordsOf(li)) return false;
  }
  return true;
}

function topInSight() {
  return window.scrollY < list.offsetTop;
}

// held tells that a long list is left alone while someone reads further down.
function held() {
  return shown.size > MOST_SHOWN && !topInSight();
}

let soon = 0;

// arrive shows an entry in a moment: they often come in bursts.
function arrive(entry) {
  arrivals.push(entry);
  soon ||= setTimeout(flush, 50);
}

// flush shows what has arrived. An entry that may be one that is just being sent waits for the answer,
// which tells: else it would stand there twice for a moment.
function flush() {
  clearTimeout(soon);
  soon = 0;
  if (held()) {
    summarize();
    return;
  }
  if (arrivals.length > MOST_SHOWN) {
    arrivals = [];
    connect(true); // reading the newest page is less work
    return;
  }
  const sending = new Set([...outbox.values()].filter((item) => !item.failed).map((item) => item.text));
  const waiting = [];
  const news = [];
  for (const entry of arrivals) {
    if (sending.has(entry.text) && !shown.has(entry.id)) waiting.push(entry);
    else if (place(entry)) news.push(entry);
  }
  arrivals = waiting;
  if (news.length === 0) return;
  for (const { id } of news) shown.get(id).classList.add("new");
  announce(news.length === 1 ? `New entry: ${news[0].text}` : `${news.length} new entries`);
  if (document.hidden) unread += news.length;
  if (topInSight()) letGo();
  else below += news.length;
  summarize();
}

// letGo keeps a page that is left open for weeks small.
function letGo() {
  if (shown.size <= MOST_SHOWN) return;
  const ids = [...shown.keys()].sort((a, b) => b - a);
  for (const id of ids.splice(MOST_SHOWN / 2)) remove(id, shown.get(id));
  cursor = ids.at(-1);
}

// summarize shows all that follows from the list.
function summarize() {
  if (loaded) {
    const state = byId("state");
    state.hidden = cursor !== null;
    state.textContent = list.childElementCount === 0
      ? "No entries yet. The first page is yours."
      : "This is where the book begins.";
  }
  older.hidden = cursor === null;
  const count = below + (held() ? arrivals.length : 0);
  fresh.hidden = count === 0;
  fresh.textContent = count === 1 ? "1 new entry" : `${count} new entries`;
  document.title = unread === 0 ? "Guestbook" : `(${unread}) Guestbook`;
}

function announce(text) {
  byId("news").textContent = text;
}

let reading = false;

async function loadOlder(byKeyboard) {
  if (reading || cursor === null) return;
  reading = true;
  older.classList.add("busy");
  try {
    const from = cursor;
    const page = await readPage({ before: from });
    if (cursor === from) {
      for (const entry of page.entries.toReversed()) place(entry);
      cursor = page.before;
      older.textContent = "Older entries";
      announce(`${page.entries.length} older entries`);
      summarize();
      if (byKeyboard && page.entries.length > 0) focusOn(shown.get(page.entries.at(-1).id));
    }
    nearEnd.unobserve(older);
    nearEnd.observe(older); // tells at once if the button is still in sight
  } catch (failure) {
    if (failure.status === 400) connect(true); // no entry starts there any more
    older.textContent = `${failure.message} Try again`;
    if (!(failure instanceof Failure)) throw failure;
  } finally {
    reading = false;
    older.classList.remove("busy");
  }
}

const nearEnd = new IntersectionObserver(([entry]) => {
  if (!entry.isIntersecting || reading || cursor === null) return;
  nearEnd.unobserve(older); // not again by itself after a failure
  loadOlder(false);
}, { rootMargin: "400px" });

function focusOn(node) {
  if (node !== field) node.tabIndex = -1;
  node.focus();
}

// ---- Following the book

let stream = null;
let round = 0; // of connecting: an answer to an earlier one is ignored
let misses = 0; // rounds in a row that did not reach the book, or could not follow it
let timer = 0;

function connection(state, label, title = "") {
  const status = byId("connection");
  if (status.textContent !== label) status.textContent = label;
  status.dataset.state = state;
  status.title = title;
}

function later(delay) {
  clearTimeout(timer);
  timer = setTimeout(connect, delay);
}

function backoff(delays, tries) {
  return delays[Math.min(tries, delays.length - 1)] * (0.75 + Math.random() / 2);
}

// connect reads the newest page and then follows the book from there on. replace says that what is
// shown is no longer true.
async function connect(replace = false) {
  const mine = ++round;
  rewritten ||= replace;
  disconnect();
  try {
    const page = await readOn();
    if (mine !== round) return;
    take(page);
    nearEnd.observe(older);
    if (page.old) {
      misses = 0;
      connection("legacy", "Connected", "This server cannot show entries live. The book is read every few seconds.");
      later(POLL);
    } else {
      follow();
    }
  } catch (failure) {
    if (mine !== round) return;
    const offline = misses > 0 || !navigator.onLine;
    connection(offline ? "offline" : "connecting", offline ? "Not connected" : "Connecting");
    if (!loaded) {
      byId("state").hidden = false;
      byId("state").textContent = `${failure.message} Trying again.`;
    }
    later(Math.max(backoff(RECONNECTS, misses++), failure.wait ?? 0));
    if (!(failure instanceof Failure)) throw failure;
  }
}

// readOn reads the newest page, with all in it that is shown already: also one's own entries, which a
// replica may not have yet.
async function readOn() {
  const newest = list.querySelector("[data-id]");
  if (!newest || rewritten) return readPage();
  try {
    return await readPage({ seen: newest.dataset.id });
  } catch (failure) {
    if (failure.status !== 400) throw failure;
    rewritten = true; // the book has become shorter
    return readPage();
  }
}

function follow() {
  disconnect();
  const source = new EventSource(`guestbook/events?after=${last}`); // -1: from the first entry on
  stream = source;
  source.addEventListener("open", () => {
    misses = 0;
    connection("live", "Live");
  });
  source.addEventListener("entry", ({ data }) => {
    const entry = JSON.parse(data);
    last = Math.max(last, entry.id);
    arrive(entry);
  });
  source.addEventListener("reset", () => {
    rewritten = true;
    disconnect();
    later(backoff(RECONNECTS, 0)); // not at once: all viewers are told at the same moment
  });
  source.addEventListener("error", () => {
    // Not left to the browser. It would resume where it was, though the book may have been written anew
    // meanwhile; it gives up at any status but 200; and it does not tell when it cannot reach the server.
    connection("connecting", "Reconnecting");
    disconnect();
    later(backoff(RECONNECTS, misses++));
  });
}

function disconnect() {
  clearTimeout(timer);
  stream?.close();
  stream = null;
}

// ---- The outbox: entries that the server has not confirmed. It survives a reload, each under its own
// name in the storage, which several pages share.

const outbox = new Map(); // key to { key, text, at, failed, uncertain, rewriting, li }
const HERE = new URL(".", location.href).pathname; // a host may have several guestbooks
const DRAFT = `guestbook draft ${HERE}`;
const UNSENT = `guestbook unsent ${HERE} `;

// The storage may be switched off or full; the page works without it.
function store(name, value) {
  try {
    if (value === "") localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Nothing survives a reload, then.
  }
}

function stored(prefix) {
  try {
    return Object.entries(localStorage).filter(([name]) => name.startsWith(prefix));
  } catch {
    return [];
  }
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

function keep(item) {
  outbox.set(item.key, item);
  const { li, ...rest } = item;
  store(UNSENT + item.key, JSON.stringify(rest));
}

function forget(item) {
  outbox.delete(item.key);
  store(UNSENT + item.key, "");
}

function sign(text) {
  const item = { key: newKey(), text, at: Date.now(), failed: "", uncertain: false, rewriting: false };
  keep(item);
  draw(item);
  send(item);
}

// draw shows an unconfirmed entry as it stands.
function draw(item, note = "Sending") {
  item.li ??= entryElement(item.text);
  const { li } = item;
  li.dataset.key = item.key;
  li.className = item.failed ? "failed" : "pending";
  li.querySelector(".fate")?.remove();
  const fate = element("div", "fate");
  const reason = element("p", "note", item.failed || note);
  fate.append(reason);
  if (item.failed) {
    reason.role = "alert";
    fate.append(
      action("retry", "Retry", () => retry(item)),
      action("edit", "Edit", () => edit(item)),
      action("discard", "Discard", () => drop(item)),
    );
  }
  li.append(fate);
  if (!li.isConnected) list.prepend(li);
  summarize();
}

function action(className, label, act) {
  const button = element("button", className, label);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

// send posts an entry until the outcome is known, or it has tried often enough.
async function send(item) {
  for (let tries = 0; ; tries++) {
    try {
      settle(item, await deliver(item));
      return;
    } catch (failure) {
      if (!outbox.has(item.key)) return;
      if (!failure.passing || item.rewriting || tries === RETRIES.length) {
        fail(item, failure);
        if (!(failure instanceof Failure)) throw failure;
        return;
      }
      draw(item, "No answer yet. Trying again");
      await pause(Math.max(backoff(RETRIES, tries), failure.wait));
      if (!outbox.has(item.key)) return;
    }
  }
}

// deliver tries once. Repeating it is safe, because the server knows the key.
async function deliver(item) {
  const { uncertain } = item;
  item.uncertain = true; // also if the page is closed now
  keep(item);
  const reply = await post("guestbook/entries", { text: item.text }, { "Idempotency-Key": item.key });
  if ((reply.status === 201 || reply.status === 200) && typeof reply.answer?.id === "number") return reply.answer;
  if (!fromOldPod(reply)) {
    const failure = failureOf(reply);
    item.uncertain = uncertain || failure.passing;
    throw failure;
  }
  // Only an entry that certainly is not in the book may be added by writing the book anew.
  if (uncertain) throw new Failure("The guestbook is being updated.", { passing: true });
  item.uncertain = false;
  keep(item);
  try {
    return await inTurn(() => addToBook(item.text, () => {
      item.rewriting = true;
      keep(item);
    }));
  } catch (failure) {
    if (!failure.passing && failure.status >= 400) item.rewriting = false; // refused
    throw failure;
  }
}

let turn = Promise.resolve();

// inTurn runs one act after the other: two that write the whole book would undo each other.
function inTurn(act) {
  const result = turn.then(act);
  turn = result.catch(() => {});
  return result;
}

function settle(item, entry) {
  if (!outbox.has(item.key)) return;
  forget(item);
  const { li } = item;
  const focused = li.contains(document.activeElement);
  delete li.dataset.key;
  li.className = "";
  li.querySelector(".fate").remove();
  li.querySelector(".words").textContent = entry.text;
  const old = loaded && cursor !== null && entry.id < cursor; // a repeat, older than what is shown
  if (old || !place(entry, li)) li.remove();
  if (focused) focusOn(shown.get(entry.id) ?? field);
  announce("Your entry is in the book.");
  flush();
  summarize();
}

function fail(item, failure) {
  if (item.rewriting) {
    item.failed = "It is not certain that this entry arrived. Look for it in the book before you retry.";
  } else if (item.uncertain) {
    item.failed = `${failure.message} It is not certain that this entry arrived. Retrying is safe: it will not appear twice.`;
  } else {
    item.failed = `Not in the book yet. ${failure.message}`;
  }
  if (failure.status === 422) {
    forget(item); // the key belongs to another entry
    item.key = newKey();
  }
  keep(item);
  draw(item);
  flush();
}

function retry(item) {
  if (item.rewriting) item.rewriting = item.uncertain = false; // the visitor has looked
  item.failed = "";
  keep(item);
  draw(item);
  focusOn(item.li);
  send(item);
}

function edit(item) {
  field.value = [item.text, field.value.trim()].filter(Boolean).join("\n");
  drop(item);
  drafted();
}

function drop(item) {
  forget(item);
  item.li.remove();
  summarize();
  field.focus();
}

function pause(delay) {
  return new Promise((resolve) => {
    const wait = setTimeout(done, delay);
    window.addEventListener("online", done);
    function done() {
      clearTimeout(wait);
      window.removeEventListener("online", done);
      resolve();
    }
  });
}

// restore takes up what an earlier page left unsent.
function restore() {
  field.value ||= stored(DRAFT)[0]?.[1] ?? "";
  drafted();
  const items = [];
  for (const [name, value] of stored(UNSENT)) {
    try {
      const item = JSON.parse(value);
      if (name === UNSENT + item.key && typeof item.text === "string") items.push(item);
    } catch {
      store(name, "");
    }
  }
  for (const item of items.sort((a, b) => a.at - b.at)) {
    const forgotten = Date.now() - item.at > REPEATABLE;
    if (item.rewriting || (item.uncertain && forgotten)) {
      item.failed ||= "It is not certain that this entry arrived. Look for it in the book before you retry.";
    }
    keep(item);
    draw(item);
    if (!item.failed) send(item);
  }
}

// ---- The form

function complain(message) {
  byId("error").textContent = message;
  byId("error").hidden = message === "";
}

// drafted follows the text as it is written.
function drafted() {
  store(DRAFT, field.value);
  const size = bytesOf(field.value.trim());
  const over = size - LONGEST_TEXT;
  const count = byId("count");
  count.hidden = size < COUNT_FROM;
  count.classList.toggle("over", over > 0);
  count.textContent = "";
  if (!count.hidden) count.textContent = over > 0 ? `${over} bytes too long` : `${-over} bytes left`;
  field.setAttribute("aria-invalid", over > 0);
  byId("post").setAttribute("aria-disabled", over > 0);
  complain("");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = field.value.trim();
  const over = bytesOf(text) - LONGEST_TEXT;
  if (text === "" || over > 0) {
    complain(text === "" ? "Write a few words first." : `This is ${over} bytes too long for one entry.`);
    field.focus();
    return;
  }
  sign(text);
  field.value = "";
  drafted();
});

field.addEventListener("input", drafted);

field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) form.requestSubmit();
});

older.addEventListener("click", (event) => loadOlder(event.detail === 0));

fresh.addEventListener("click", () => window.scrollTo({ top: 0 }));

window.addEventListener("scroll", () => {
  if (fresh.hidden || !topInSight()) return;
  below = 0;
  flush();
  letGo();
  summarize();
}, { passive: true });

// ---- The browser's own events

window.addEventListener("online", () => connect());

window.addEventListener("offline", () => connection("offline", "Not connected"));

// Another page of this browser has sent or dropped an entry that both hold.
window.addEventListener("storage", ({ key, newValue }) => {
  const item = key?.startsWith(UNSENT) && newValue === null && outbox.get(key.slice(UNSENT.length));
  if (!item) return;
  outbox.delete(item.key);
  item.li.remove();
  flush();
  summarize();
});

let resting = 0; // the timer of a hidden page, or -1 when it has let its connection go

document.addEventListener("visibilitychange", () => {
  clearTimeout(resting);
  if (document.hidden) {
    resting = setTimeout(rest, HIDDEN);
    return;
  }
  unread = 0;
  summarize();
  if (resting === -1) connect();
  resting = 0;
});

function rest() {
  resting = -1;
  round++;
  disconnect();
}

window.addEventListener("pagehide", rest);

window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) connect();
});

if (/Mac|iPhone|iPad/.test(navigator.platform)) byId("hint").querySelector("kbd").textContent = "⌘";
byId("post").disabled = false;
restore();
connect();
