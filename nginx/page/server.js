// Server sends requests to the API, and turns failures into messages for the visitor.

import { addressOf } from "./storage.js";
import { bytesOf, isBlank } from "./text.js";

export const PAGE_ENTRIES = 50; // entries to read at a time; early.js requests the same number
export const MOST_PAGE_ENTRIES = 500; // the most entries that the server sends in one response
const REQUEST_TIMEOUT_MS = 10_000;
const RETRY_DELAYS_MS = [500, 1000, 2000, 4000, 8000, 15_000]; // the last delay repeats
const LONGEST_RETRY_AFTER_MS = 30_000;
const USUAL_TRIES = 7;
const REFUSED_TRIES = 3; // tries for a text that a firewall or a proxy refuses
const UPDATE_TRIES = 15; // tries for a POST that a pod of the PHP guestbook may have refused; a rollout soon replaces the pod

// Failure is an error whose message the page shows to the visitor.
export class Failure extends Error {
  wait = 0; // the shortest time before the next try, in milliseconds
  tries = USUAL_TRIES;
  // A Failure's field "passing" is true if a retry may succeed. A Failure's field "certain" is true if the server has certainly not carried
  // out the request. A Failure's field "old" is true if a pod of the PHP guestbook answered. A Failure's field "away" is true if a sign-in
  // proxy asks the visitor to sign in.
  constructor(message, details = {}) {
    super(message);
    Object.assign(this, details);
  }
}

// retryDelay() returns a random delay, so that not all open pages retry at the same moment.
export function retryDelay(failures, failure) {
  const delay = RETRY_DELAYS_MS[Math.min(failures, RETRY_DELAYS_MS.length - 1)] * (0.75 + Math.random() / 2);
  return Math.max(delay, failure?.wait ?? 0);
}

// STATUS_TEXT has messages for visitors, because the server's own error messages are written for programs.
const STATUS_TEXT = {
  403: "The guestbook refused this request.",
  404: "There is no guestbook at this address.",
  413: "That is more than the guestbook takes at once.",
  429: "The guestbook is very busy.",
  502: "The guestbook is not available just now.",
  503: "The guestbook is not available just now.",
  504: "The guestbook took too long to answer.",
  507: "The guestbook is full.",
};
const UPDATING = "The guestbook is being updated.";
const SIGN_IN = "You are not signed in any more.";

export class Server {
  answered = () => {}; // called with the X-Answered-By header of each response
  signedOut = () => {}; // called after each read; the argument is true if the visitor has to sign in

  // read() resolves to a page of entries, oldest first: the newest entries, or the entries before or after a given id.
  // read({ before: page.before }) resolves to the next older page, and read({ after: page.after }) to the next newer page. A read with the
  // parameter "after" sets page.after, and every other read sets page.before. The value null means that no entries are left. With the
  // parameter "seen", the server does not answer from a Redis slave that lacks the entry with this id. If the guestbook is too short to
  // have the id "seen", read() fails with status 400.
  async read({ before, after, seen, limit = PAGE_ENTRIES } = {}) {
    const query = new URLSearchParams({
      limit, ...(before >= 0 && { before }), ...(after >= -1 && { after }), ...(seen >= 0 && { seen }),
    });
    const reply = await this.#ask(`guestbook/entries?${query}`);
    if (reply.away) throw new Failure(SIGN_IN, { passing: true, certain: true, away: true });
    const { status, answer } = reply;
    if (status === 200 && Array.isArray(answer?.entries) && (after === undefined || "after" in answer)) {
      return { entries: answer.entries, before: answer.before ?? null, after: answer.after ?? null, old: false };
    }
    const old = isOldPods(reply);
    // During a rollout, a pod of an older version cannot answer a read with the parameter "after".
    if (after !== undefined && (old || status === 200)) throw new Failure(UPDATING);
    if (!old) throw failureOf(reply);
    const all = entriesOf(await this.#readOldPod()).filter((entry) => before === undefined || entry.id < before);
    const entries = all.slice(-limit);
    return { entries, before: all.length > limit ? entries[0].id : null, after: null, old: true };
  }

  // post() adds an entry, and resolves to the stored entry. The server remembers the key of a POST, so that a retry with the same key adds
  // no second entry.
  async post({ key, text }, cancel) {
    const init = { method: "POST", body: new URLSearchParams({ text }), headers: { "Idempotency-Key": key } };
    const reply = await this.#ask("guestbook/entries", init, cancel);
    if (reply.status < 300 && typeof reply.answer?.id === "number") return reply.answer;
    const old = isOldPods(reply);
    if (!old && !reply.away && !reply.foreign) throw failureOf(reply);
    // The page posts no entry to a pod of the PHP guestbook, because such a post may overwrite entries of other visitors. A firewall may
    // refuse a POST with the same status as a pod of the PHP guestbook, so the page checks by a read which pod answers.
    const page = await this.read({ limit: 1 }).catch((failure) => {
      throw Object.assign(failure, { certain: true, tries: old ? Infinity : failure.tries });
    });
    const [message, tries] = page.old ? [UPDATING, Infinity]
      : old ? ["The guestbook is being updated, or something in front of it takes no entries.", UPDATE_TRIES]
        : ["Something in front of the guestbook, such as a firewall, refuses this text.", REFUSED_TRIES];
    throw new Failure(message, { passing: true, certain: true, old, tries });
  }

  // follow() opens the event stream of the entries after an id. The id -1 stands for the beginning of the guestbook.
  follow(after) {
    return new EventSource(addressOf(`guestbook/events?after=${after}`));
  }

  // #ask() sends a request. The property "answer" of the result is the JSON of the response, or null if the response has no JSON. The
  // property "away" is true if a sign-in proxy answered, and "foreign" is true if a firewall or another proxy may have answered.
  async #ask(path, init = {}, cancel = new AbortController()) {
    const timer = setTimeout(() => cancel.abort(), REQUEST_TIMEOUT_MS);
    const cancelled = new Promise((_, reject) => { cancel.signal.addEventListener("abort", reject); });
    const early = !init.method && window.early; // early.js has already sent the first request
    if (early) window.early = null;
    let response, body;
    try {
      const asked = early || fetch(addressOf(path), { cache: "no-store", redirect: "manual", signal: cancel.signal, ...init });
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
    // A redirect or an HTML page comes from a sign-in proxy, because the guestbook sends JSON. A pod of the PHP guestbook sends an error in
    // HTML only if the path is unknown.
    const away = redirect || status === 401 || status === 511 || (html && (status < 300 || status === 403));
    const foreign = html && status >= 400 && status < 500 && !STATUS_TEXT[status] && status !== 408;
    if (!init.method) this.signedOut(away);
    if (!away) this.answered(headers.get("X-Answered-By"));
    let answer = null;
    try {
      answer = Object(JSON.parse(body));
    } catch {
      // Without JSON in the response, the variable "answer" stays null.
    }
    const wait = Math.min(1000 * Number(headers.get("Retry-After")) || 0, LONGEST_RETRY_AFTER_MS);
    return { status, answer, away, foreign, wait };
  }

  async #readOldPod() {
    const reply = await this.#ask("guestbook.php?cmd=get&key=messages");
    if (typeof reply.answer?.data !== "string") throw failureOf(reply);
    return reply.answer.data;
  }
}

function failureOf({ status, answer, wait }) {
  const said = typeof answer?.error === "string" ? answer.error : "";
  const message = status < 400 ? "The guestbook gave an answer that makes no sense."
    : STATUS_TEXT[status] ?? (said ? `The guestbook says: ${said}.` : `The guestbook answered with an error (${status}).`);
  const passing = status === 408 || status === 429 || (status >= 500 && status !== 507);
  return new Failure(message, { passing, certain: status === 507 || (status >= 400 && status < 500), status, wait });
}

// isOldPods() reports whether a response may come from the PHP guestbook, which does not know the path /guestbook/entries.
function isOldPods({ status, answer, away }) {
  return !away && (status === 404 || status === 405 || (status < 300 && answer === null));
}

// entriesOf() splits a whole guestbook, which is one string, into entries, oldest first. An entry's id is the byte offset of the comma
// before its text. entriesOf() skips blank entries, which the operator has hidden.
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
