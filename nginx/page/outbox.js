// Outbox holds items: entries that the server has not confirmed yet. localStorage keeps each item under a name of its own, so
// that an item survives a reload and other tabs see the item. An item has one of these states:
//
//   In the state "sending", the page is waiting for the response to a POST of the item.
//   In the state "held", the item is certainly not in the guestbook, and the page retries the POST by itself.
//   In the state "unsure", the item may be in the guestbook, and the page retries the POST by itself, with the same key.
//   In the state "refused", the item is certainly not in the guestbook, and the visitor decides whether to retry.
//   In the state "lost", the item may be in the guestbook, and the visitor decides whether to retry.

import { retryDelay } from "./server.js";
import { newKey, store, stored } from "./storage.js";

const SLOW_MS = 3000; // after this time, the visitor can cancel an item that is being sent
const KEY_LIFETIME_MS = 20 * 3600_000; // shorter than the 24 hours for which the server remembers the key of a POST

export const LOOK_FIRST = "It is not certain that this entry arrived. Look for it in the book before you sign it again.";
const NOT_SENT = "Your entry could not be sent.";

export function isFailed({ state }) {
  return state === "refused" || state === "lost";
}

// isExpired() reports whether the server may have forgotten the item's key. A server without the key could store the item twice. The field
// "sentAt" is the time of the item's first POST whose outcome is not certain.
function isExpired({ at, sentAt = at }) {
  return Date.now() - sentAt > KEY_LIFETIME_MS;
}

export class Outbox {
  items = new Map(); // items by key, in the order in which the visitor signed

  // The object "own" remembers the entries that were signed in this browser. Outbox calls changed() after each change of an item, and
  // tell(message) with each message for the visitor.
  constructor(book, server, own, prefix, { changed = () => {}, tell = () => {} } = {}) {
    Object.assign(this, { book, server, own, prefix, changed, tell });
  }

  sign(text) {
    // The item's field "after" is the newest entry's id when the visitor signs, because the item's POST can only add a later entry. If the
    // page has not read the guestbook yet, the field "after" is null and #isCopy() returns false for every entry.
    const after = this.book.isRead ? this.book.newest : null;
    this.#send({ key: newKey(), text, at: Date.now(), after, state: "held", reason: "" });
  }

  // If a lost item is expired, #send() does not post the item, but asks the visitor to look for the item in the book.
  retry(item) {
    item.state = item.state === "refused" ? "held" : "unsure";
    this.#send(item);
  }

  takeBack(item) {
    this.#forget(item);
    item.cancel?.abort();
    this.changed();
  }

  // recheck() removes items that another tab of this browser has sent or removed.
  recheck() {
    for (const item of this.items.values()) if (this.#isGone(item)) this.takeBack(item);
  }

  // restore() sends the items that an earlier page left in localStorage.
  restore() {
    const items = Object.entries(stored()).filter(([name]) => name.startsWith(this.prefix)).map(([name, value]) => {
      try {
        return JSON.parse(value);
      } catch {
        store(name, "");
      }
    });
    for (const item of items.filter((item) => item?.text).sort((a, b) => a.at - b.at)) {
      if (!["held", "refused", "lost"].includes(item.state)) item.state = "unsure";
      if (item.state === "lost" && isExpired(item)) item.reason = LOOK_FIRST;
      if (isFailed(item)) this.#put(item, item.state, item.reason);
      else this.#send(item);
    }
  }

  // wake() retries waiting items at once, because the server may be available again.
  wake() {
    for (const item of this.items.values()) item.wake?.();
  }

  // claims() reports whether an entry may be an item that the server has stored but not confirmed.
  claims(entry) {
    return [...this.items.values()].some((item) => (
      item.state !== "held" && item.state !== "refused" && this.#isCopy(item, entry)));
  }

  // If a new entry has the text of an item, look() posts the item again, because the response shows which entry is the item's.
  look(entries) {
    for (const item of this.items.values()) {
      if (!entries.some((entry) => this.#isCopy(item, entry))) continue;
      if (item.state === "lost") this.retry(item);
      else item.wake?.();
    }
  }

  #isCopy(item, entry) {
    const { text, after } = item;
    return !isExpired(item) && after !== null && entry.id > after && entry.text === text && !this.own.has(entry);
  }

  #isGone({ key, isStored }) {
    return isStored && !(this.prefix + key in stored());
  }

  // #send() repeats the POST of an item until the outcome is known, or until no tries are left.
  async #send(item) {
    item.isSlow = false;
    const slow = setTimeout(() => {
      item.isSlow = true;
      this.changed();
    }, SLOW_MS);
    // #send() counts failed POSTs separately for each failure message, because each failure has its own limit of tries.
    const tries = {};
    for (let failures = 0; !isFailed(item); failures++) {
      if (item.state === "unsure" && isExpired(item)) {
        this.#put(item, "lost", LOOK_FIRST);
        this.tell(NOT_SENT);
        break;
      }
      const wasSure = item.state === "held";
      if (wasSure) item.sentAt = Date.now();
      const copy = this.book.entries.find((entry) => this.#isCopy(item, entry));
      this.#put(item, "sending", item.reason); // stored before the POST, because the visitor may close the page
      if (!this.items.has(item.key)) break;
      item.cancel = new AbortController();
      const outcome = await this.server.post(item, item.cancel).catch((failure) => failure);
      if (!this.items.has(item.key)) break;
      const isSure = wasSure && outcome.certain;
      // If the POST's outcome is unknown but a new entry has the same text, the item counts as stored, because readers see no difference.
      const entry = outcome instanceof Error ? !isSure && copy : outcome;
      if (entry) {
        this.#settle(item, entry);
        break;
      }
      tries[outcome.message] = (tries[outcome.message] ?? 0) + 1;
      this.#judge(item, outcome, isSure, outcome.away || (outcome.passing && tries[outcome.message] < outcome.tries));
      if (!isFailed(item)) await this.#pause(item, retryDelay(failures, outcome));
      if (!this.items.has(item.key)) break;
    }
    clearTimeout(slow);
  }

  #judge(item, { message, old, away }, isSure, again) {
    const wait = old ? "Your entry waits here until that is done." : away ? "Your entry waits here until you are." : "Trying again.";
    if (again && isSure) this.#put(item, "held", `${message} ${wait}`);
    else if (again) this.#put(item, "unsure", "No answer yet. Trying again.");
    else if (isSure) this.#put(item, "refused", `Not in the book yet. ${message}`);
    else this.#put(item, "lost", `${message} It is not certain that this entry arrived. Retrying is safe: it will not appear twice.`);
    if (!again) this.tell(NOT_SENT);
  }

  #settle(item, entry) {
    this.#forget(item);
    this.own.add(entry);
    this.book.confirm(entry);
    this.changed();
    this.tell("Your entry is in the book.");
  }

  // #put() stores an item with a new state, unless another tab has removed the item.
  #put(item, state, reason) {
    if (this.#isGone(item)) return this.takeBack(item);
    Object.assign(item, { state, reason });
    this.items.set(item.key, item);
    const { key, text, at, sentAt, after } = item;
    item.isStored = store(this.prefix + key, JSON.stringify({ key, text, at, sentAt, after, state, reason }));
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
