// The guestbook's page, on the commands that every frontend of this family knows: the whole book is
// one string, read by cmd=get and written back by cmd=set. All addresses are relative, so that the
// page works below any path.

const KEY = "messages";
const LONGEST_ADDRESS = 7000; // Apache and stock nginx refuse request lines past 8,190 bytes
const SHOWN_AT_ONCE = 100;
const REFRESH = 15_000; // ms

// ---- How a book is written in one string

// An entry is a comma followed by its text, so a comma inside the text is written %2C, and a % is
// written %25 only where it would be misread, before 2C or 25. Everything else stays as it is.
export function encode(text) {
  return text.replace(/%(?=2C|25)/g, "%25").replaceAll(",", "%2C");
}

export function decode(written) {
  return written.replace(/%(2C|25)/g, (_, code) => (code === "2C" ? "," : "%"));
}

// entriesOf lists a book's entries, oldest first. Empty items are no entries: "".split(",") has one.
export function entriesOf(book) {
  const bytes = new TextEncoder();
  const entries = [];
  let id = 0;
  for (const [i, item] of book.split(",").entries()) {
    if (item !== "") entries.push({ id, text: decode(item) });
    id += bytes.encode(item).length + (i > 0 ? 1 : 0);
  }
  return entries;
}

// ---- The server

// Refusal is an error whose message is meant for the visitor.
class Refusal extends Error {}

const STATUS_TEXT = {
  403: "The guestbook refused this request.",
  404: "The guestbook is not to be found at this address.",
  413: "The guestbook has become too long to be sent.",
  414: "The guestbook has become too long to be sent.",
  429: "The guestbook is very busy. Try again in a moment.",
  503: "The guestbook is not available just now. Try again in a moment.",
  504: "The guestbook took too long to answer.",
};

// command sends one of the old commands and resolves to the JSON object that it is answered with.
async function command(fields) {
  const query = new URLSearchParams({ ...fields, key: KEY }).toString();
  let response = await ask("guestbook/", query);
  if (response.status === 404) response = await ask("guestbook.php", query); // an old pod, during a rollout
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    throw new Refusal(sentence(answer?.error) ?? STATUS_TEXT[response.status]
      ?? `The guestbook answered with an error (${response.status}).`);
  }
  if (answer === null || typeof answer !== "object") {
    throw new Refusal("The guestbook gave an answer that makes no sense.");
  }
  return answer;
}

async function ask(path, query) {
  const byAddress = path.length + query.length < LONGEST_ADDRESS;
  try {
    return await fetch(byAddress ? `${path}?${query}` : path, {
      method: byAddress ? "GET" : "POST",
      body: byAddress ? undefined : query,
      headers: byAddress ? {} : { "Content-Type": "application/x-www-form-urlencoded" },
      cache: "no-store",
      signal: AbortSignal.timeout(10_000),
    });
  } catch {
    throw new Refusal("The guestbook cannot be reached. Check the connection, then try again.");
  }
}

function sentence(error) {
  if (typeof error !== "string" || error === "") return undefined;
  return error[0].toUpperCase() + error.slice(1) + (/[.!?]$/.test(error) ? "" : ".");
}

async function readBook() {
  const { data } = await command({ cmd: "get" });
  if (typeof data !== "string") throw new Refusal("The guestbook gave an answer that makes no sense.");
  return data;
}

// post adds an entry to the book as it is now. A book that could not be read is never written; nor is
// one that was seen longer: a replica that has not caught up reads like an empty book.
async function post(text) {
  const read = await readBook();
  if (read.length < longest) {
    throw new Refusal("The guestbook came back shorter than it was, so nothing was written. "
      + "Try again in a moment, or reload the page if it was cleared on purpose.");
  }
  const written = `${read},${encode(text)}`;
  const { message } = await command({ cmd: "set", value: written });
  if (message !== "Updated") throw new Refusal("The guestbook did not confirm the entry.");
  return written;
}

// ---- The page

const byId = (id) => document.getElementById(id);
const form = byId("sign");
const text = byId("text");
const button = byId("post");
const list = byId("entries");
const older = byId("older");

let book = "";
let longest = 0; // of the books seen since the page was loaded
let shown = SHOWN_AT_ONCE;
let posting = false;

function render() {
  longest = Math.max(longest, book.length);
  const entries = entriesOf(book);
  list.replaceChildren(...entries.slice(-shown).reverse().map(item));
  older.hidden = entries.length <= shown;
  byId("state").hidden = entries.length > 0;
  byId("state").textContent = "No entries yet. The first page is yours.";
}

function item(entry) {
  const words = document.createElement("p");
  words.className = "words";
  words.dir = "auto";
  words.textContent = entry.text;
  const li = document.createElement("li");
  li.dataset.id = entry.id;
  li.append(words);
  return li;
}

function connection(state, label) {
  const status = byId("connection");
  if (status.dataset.state === state && status.textContent === label) return;
  status.dataset.state = state;
  status.textContent = label;
}

function complain(message) {
  byId("error").textContent = message;
  byId("error").hidden = message === "";
}

async function refresh() {
  try {
    const now = await readBook();
    if (now !== book || list.childElementCount === 0) {
      const before = entriesOf(book).length;
      book = now;
      render();
      const more = entriesOf(book).length - before;
      if (before > 0 && more > 0) byId("news").textContent = more === 1 ? "One new entry" : `${more} new entries`;
    }
    connection("legacy", "Connected");
  } catch (error) {
    connection("offline", "Not connected");
    if (list.childElementCount === 0) {
      byId("state").hidden = false;
      byId("state").textContent = error.message;
    }
  }
}

async function keepFresh() {
  if (!document.hidden && !posting) await refresh();
  setTimeout(keepFresh, REFRESH);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (posting) return;
  const words = text.value.trim();
  if (words === "") {
    complain("Write a few words first.");
    text.focus();
    return;
  }
  posting = true;
  button.setAttribute("aria-disabled", "true");
  complain("");
  try {
    book = await post(words);
    if (text.value.trim() === words) text.value = "";
    render();
    byId("news").textContent = "Your entry is in the book.";
  } catch (error) {
    complain(error.message);
  } finally {
    posting = false;
    button.removeAttribute("aria-disabled");
  }
});

text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

older.addEventListener("click", () => {
  shown += SHOWN_AT_ONCE;
  render();
});

button.disabled = false;
keepFresh();
