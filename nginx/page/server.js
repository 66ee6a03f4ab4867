// The server: asks it, and says in plain words what went wrong.

import { addressOf } from "./storage.js";
import { bytesOf, isBlank } from "./text.js";

export const PAGE_ENTRIES = 50; // read at a time; index.html asks for as many
export const MOST_PAGE_ENTRIES = 500; // that the server gives at a time
const REQUEST_TIMEOUT_MS = 10_000;
const LONGEST_WAIT_MS = 30_000; // whatever Retry-After says
const REFUSED_TRIES = 3; // of a text that something in front of the guestbook refuses
const UPDATE_TRIES = 15; // of a text that only old pods seem to get, though new ones answer reads

// Failure is an error whose message is meant for the visitor. A passing one may be gone at the next try; after a certain one
// the request was not carried out. tries is how often it is worth trying.
export class Failure extends Error {
  constructor(message, { wait = 0, tries = 7, ...details } = {}) {
    super(message);
    Object.assign(this, { wait, tries }, details); // passing, certain, status; old: an old pod's; away: one has to sign in
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
const UPDATING = "The guestbook is being updated.";
export const SIGN_IN = "You are not signed in any more.";

export class Server {
  answered = () => {}; // is told who answered
  signedOut = () => {}; // is told whether the visitor has to sign in

  // read resolves to entries, oldest first: the newest, those before one, or those after one. { entries, before, after, old }
  // says where older and newer ones go on. An answer older than the entry seen is none; that fails with 400 where the book
  // does not reach so far.
  async read({ before, after, seen, limit = PAGE_ENTRIES, timeout } = {}) {
    const query = new URLSearchParams({
      limit, ...(before >= 0 && { before }), ...(after >= -1 && { after }), ...(seen >= 0 && { seen }),
    });
    const reply = await this.#ask(`guestbook/entries?${query}`, {}, undefined, timeout);
    if (reply.away) throw new Failure(SIGN_IN, { passing: true, certain: true, away: true });
    const { answer } = reply;
    if (reply.status === 200 && Array.isArray(answer?.entries) && (after === undefined || "after" in answer)) {
      return { entries: answer.entries, before: answer.before ?? null, after: answer.after ?? null, old: false };
    }
    if (after !== undefined && reply.status === 200) throw new Failure(UPDATING, { passing: true }); // it does not know "after"
    if (!isOldPods(reply)) throw failureOf(reply);
    const all = entriesOf(await this.#readOldPod()).filter((entry) => before === undefined || entry.id < before);
    const entries = all.slice(-limit);
    return { entries, before: all.length > limit ? entries[0].id : null, after: null, old: true };
  }

  // post resolves to the entry as it stands in the book. Repeating it is safe, because the server knows the key.
  async post({ key, text }, cancel) {
    const init = { method: "POST", body: new URLSearchParams({ text }), headers: { "Idempotency-Key": key } };
    const reply = await this.#ask("guestbook/entries", init, cancel);
    if ((reply.status === 201 || reply.status === 200) && typeof reply.answer?.id === "number") return reply.answer;
    const old = isOldPods(reply);
    if (!old && !reply.away && !reply.foreign) throw failureOf(reply);
    // An old pod could only write the whole book anew, and lose what others write meanwhile. But something in front may give
    // the same answer, as a firewall's refusal looks like a page to sign in. How a read fares tells them apart.
    let page;
    try {
      page = await this.read({ limit: 1 });
    } catch (failure) {
      throw Object.assign(failure, { certain: true, tries: old ? Infinity : failure.tries });
    }
    if (page.old) throw new Failure(UPDATING, { passing: true, certain: true, old: true, tries: Infinity });
    if (old) {
      throw new Failure("The guestbook is being updated, or something in front of it takes no entries.",
        { passing: true, certain: true, old: true, tries: UPDATE_TRIES });
    }
    throw new Failure("Something in front of the guestbook, such as a firewall, refuses this text.",
      { passing: true, certain: true, tries: REFUSED_TRIES });
  }

  // follow opens the stream of what comes after an entry; -1: from the first entry on.
  follow(after) {
    return new EventSource(addressOf(`guestbook/events?after=${after}`));
  }

  // #ask resolves to the status and the JSON object of an answer; answer is null when there is none.
  async #ask(path, init = {}, cancel = new AbortController(), timeout = REQUEST_TIMEOUT_MS) {
    const timer = setTimeout(() => cancel.abort(), timeout);
    const { early } = window; // index.html has asked for the newest entries already
    let response, body;
    try {
      const cancelled = new Promise((_, reject) => cancel.signal.addEventListener("abort", reject));
      const asked = early && path === `guestbook/entries?limit=${PAGE_ENTRIES}`
        ? early
        : fetch(addressOf(path), { cache: "no-store", redirect: "manual", signal: cancel.signal, ...init });
      window.early = null;
      response = await Promise.race([asked, cancelled]);
      body = await Promise.race([response.text(), cancelled]);
    } catch {
      throw new Failure("The guestbook cannot be reached.", { passing: true });
    } finally {
      clearTimeout(timer);
    }
    const { status, headers } = response;
    const html = /html/.test(headers.get("Content-Type"));
    const redirect = response.type === "opaqueredirect";
    // No guestbook leads elsewhere or answers with a page, but old pods do so at an address that they do not know.
    const away = redirect || status === 401 || status === 511 || (html && (status < 300 || status === 403));
    const foreign = redirect || (html && status >= 400 && status < 500 && !STATUS_TEXT[status] && status !== 408);
    if (!init.method) this.signedOut(away);
    if (!away) this.answered(headers.get("X-Answered-By"));
    let answer = null;
    try {
      answer = JSON.parse(body);
    } catch {
      // Not JSON: the caller decides what that means.
    }
    if (typeof answer !== "object") answer = null;
    const seconds = Number(headers.get("Retry-After")) || 0;
    return { status, answer, away, foreign, wait: Math.min(seconds * 1000, LONGEST_WAIT_MS) };
  }

  async #readOldPod() {
    let reply = await this.#ask("guestbook/?cmd=get&key=messages");
    if (reply.status === 404) reply = await this.#ask("guestbook.php?cmd=get&key=messages");
    if (reply.status !== 200 || reply.answer === null) throw failureOf(reply);
    if (typeof reply.answer.data !== "string") throw new Failure(NONSENSE);
    return reply.answer.data;
  }
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

// isOldPods tells whether an old pod may have answered, met during a rollout: it does not know the entries' paths.
function isOldPods({ status, answer, away }) {
  return !away && (status === 404 || status === 405 || (status < 300 && answer === null));
}

// entriesOf lists the entries of a book in one string, oldest first. An entry is a comma followed by its text, and its id is
// the byte at which it starts. Blank items, which the operator has hidden, are not shown, and neither are empty ones:
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
