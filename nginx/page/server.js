// Server asks the guestbook, and says in plain words what went wrong.

import { addressOf } from "./storage.js";
import { bytesOf, isBlank } from "./text.js";

export const PAGE_ENTRIES = 50; // read at a time; early.js asks for as many
export const MOST_PAGE_ENTRIES = 500; // that the server sends at a time
const REQUEST_TIMEOUT_MS = 10_000;
const RETRY_DELAYS_MS = [500, 1000, 2000, 4000, 8000, 15_000]; // the last one for ever
const LONGEST_RETRY_AFTER_MS = 30_000;
const USUAL_TRIES = 7;
const REFUSED_TRIES = 3; // of a text that something in front of the guestbook refuses
const UPDATE_TRIES = 15; // of a text that only old pods seem to get, though new pods answer reads

// Failure is an error whose message is for the visitor.
export class Failure extends Error {
  wait = 0; // milliseconds before another try
  tries = USUAL_TRIES; // how often a request is worth trying
  // passing: another try may succeed; certain: the request was not carried out; old: an old pod answered;
  // away: the visitor has to sign in; status: of the response.
  constructor(message, details = {}) {
    super(message);
    Object.assign(this, details);
  }
}

// retryDelay varies, so that not all pages come back at the same moment.
export function retryDelay(failures, failure) {
  const delay = RETRY_DELAYS_MS[Math.min(failures, RETRY_DELAYS_MS.length - 1)] * (0.75 + Math.random() / 2);
  return Math.max(delay, failure?.wait ?? 0);
}

// The server's own words for these are meant for programs.
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
  answered = () => {}; // receives who answered
  signedOut = () => {}; // receives whether the visitor has to sign in

  // read resolves to entries, oldest first: the newest, those before an id, or those after one. { before, after } are the ids
  // from which older and newer ones go on. The response is no older than the entry seen; it fails with 400 if the book ends
  // before that.
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
    if (after !== undefined && (old || status === 200)) throw new Failure(UPDATING); // this pod does not know "after"
    if (!old) throw failureOf(reply);
    const all = entriesOf(await this.#readOldPod()).filter((entry) => before === undefined || entry.id < before);
    const entries = all.slice(-limit);
    return { entries, before: all.length > limit ? entries[0].id : null, after: null, old: true };
  }

  // post resolves to the entry as it stands in the book. The server knows the key, so that repeating is safe.
  async post({ key, text }, cancel) {
    const init = { method: "POST", body: new URLSearchParams({ text }), headers: { "Idempotency-Key": key } };
    const reply = await this.#ask("guestbook/entries", init, cancel);
    if (reply.status < 300 && typeof reply.answer?.id === "number") return reply.answer;
    const old = isOldPods(reply);
    if (!old && !reply.away && !reply.foreign) throw failureOf(reply);
    // An old pod could only rewrite the whole book, and lose what others write meanwhile. But a proxy may give the same
    // response, and a firewall's refusal looks like a page to sign in. A read tells them apart.
    const page = await this.read({ limit: 1 }).catch((failure) => {
      throw Object.assign(failure, { certain: true, tries: old ? Infinity : failure.tries });
    });
    const [message, tries] = page.old ? [UPDATING, Infinity]
      : old ? ["The guestbook is being updated, or something in front of it takes no entries.", UPDATE_TRIES]
        : ["Something in front of the guestbook, such as a firewall, refuses this text.", REFUSED_TRIES];
    throw new Failure(message, { passing: true, certain: true, old, tries });
  }

  // follow opens the stream of the entries after an id; -1: from the first one.
  follow(after) {
    return new EventSource(addressOf(`guestbook/events?after=${after}`));
  }

  // #ask resolves to the status and the JSON object of a response; answer is null if there is none.
  async #ask(path, init = {}, cancel = new AbortController()) {
    const timer = setTimeout(() => cancel.abort(), REQUEST_TIMEOUT_MS);
    const cancelled = new Promise((_, reject) => { cancel.signal.addEventListener("abort", reject); });
    const early = !init.method && window.early; // the first read, begun by early.js
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
    // No guestbook redirects or answers with a page, but old pods answer so at an address that they do not know.
    const away = redirect || status === 401 || status === 511 || (html && (status < 300 || status === 403));
    const foreign = html && status >= 400 && status < 500 && !STATUS_TEXT[status] && status !== 408;
    if (!init.method) this.signedOut(away);
    if (!away) this.answered(headers.get("X-Answered-By"));
    let answer = null;
    try {
      answer = Object(JSON.parse(body));
    } catch {
      // The caller decides what a response without JSON means.
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

// isOldPods reports whether a pod of the PHP frontend may have answered during a rollout: it does not know the entries' paths.
function isOldPods({ status, answer, away }) {
  return !away && (status === 404 || status === 405 || (status < 300 && answer === null));
}

// entriesOf returns the entries of a whole book in one string, oldest first. An entry is a comma followed by its text, and its
// id is the byte at which it starts. Hidden entries are blank, and so is the first item of an empty book.
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
