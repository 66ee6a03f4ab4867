// Outbox holds entries that the server has not confirmed. The storage keeps each under its own name for reloads and for other
// pages. An item's state:
//
//   sending   a request is out
//   held      certainly not in the book; it is sent again by itself
//   unsure    no response, so it may be in the book; it is sent again by itself, under its key
//   refused   certainly not in the book; the visitor decides
//   lost      it may be in the book; the visitor decides

import { retryDelay } from "./server.js";
import { newKey, store, stored } from "./storage.js";

const SLOW_MS = 3000; // until a visitor may take back what is being sent
const KEY_LIFETIME_MS = 20 * 3600_000; // the server remembers a key for a day

export function isFailed({ state }) {
  return state === "refused" || state === "lost";
}

export class Outbox {
  items = new Map(); // by key, in the order of signing

  // own marks the entries that arrived; changed is called when something is to be shown; tell receives what to say.
  constructor(book, server, own, prefix, { changed = () => {}, tell = () => {} } = {}) {
    Object.assign(this, { book, server, own, prefix, changed, tell });
  }

  sign(text) {
    // Only an entry after this one can be the item; null: any copy is another entry, because the book was not read.
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

  // recheck takes back what another page of this browser has taken back or sent.
  recheck() {
    for (const item of this.items.values()) if (this.#isGone(item)) this.takeBack(item);
  }

  // restore sends what an earlier page left.
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
      if (item.state === "unsure" && Date.now() - item.at > KEY_LIFETIME_MS) {
        this.#put(item, "lost", "It is not certain that this entry arrived. Look for it in the book before you retry.");
      } else if (isFailed(item)) this.#put(item, item.state, item.reason);
      else this.#send(item);
    }
  }

  // wake sends what waits, because it may get through now.
  wake() {
    for (const item of this.items.values()) item.wake?.();
  }

  // claims reports whether an entry of the book may be an item that is being sent.
  claims(entry) {
    return [...this.items.values()].some((item) => (
      item.state !== "held" && item.state !== "refused" && this.#isCopy(item, entry)));
  }

  // look asks the server about items of which new entries may be copies.
  look(entries) {
    for (const item of this.items.values()) {
      if (!entries.some((entry) => this.#isCopy(item, entry))) continue;
      if (item.state === "lost") this.retry(item);
      else item.wake?.();
    }
  }

  #isCopy({ text, after }, entry) {
    return after !== null && entry.id > after && entry.text === text && !this.own.has(entry);
  }

  // #isGone reports whether another page has removed an item from the storage.
  #isGone({ key, isStored }) {
    return isStored && !(this.prefix + key in stored());
  }

  // #send posts an item until the outcome is known, or it has tried often enough.
  async #send(item) {
    item.isSlow = false;
    const slow = setTimeout(() => {
      item.isSlow = true;
      this.changed();
    }, SLOW_MS);
    for (let tries = 1; !isFailed(item); tries++) {
      const wasSure = item.state === "held";
      const copy = this.book.entries.find((entry) => this.#isCopy(item, entry));
      this.#put(item, "sending", item.reason); // the page may be closed now
      if (!this.items.has(item.key)) break;
      item.cancel = new AbortController();
      const outcome = await this.server.post(item, item.cancel).catch((failure) => failure);
      if (!this.items.has(item.key)) break;
      const isSure = wasSure && outcome.certain;
      // If the server does not say whose the copy is, the copy counts as this item, because a reader sees no difference.
      const entry = outcome instanceof Error ? !isSure && copy : outcome;
      if (entry) {
        this.#settle(item, entry);
        break;
      }
      this.#judge(item, outcome, isSure, outcome.away || (outcome.passing && tries < outcome.tries));
      if (!isFailed(item)) await this.#pause(item, retryDelay(tries - 1, outcome));
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
    if (!again) this.tell("Your entry could not be sent.");
  }

  #settle(item, entry) {
    this.#forget(item);
    this.own.add(entry);
    this.book.confirm(entry);
    this.changed();
    this.tell("Your entry is in the book.");
  }

  // #put keeps an item as it stands, unless another page has taken it back.
  #put(item, state, reason) {
    if (this.#isGone(item)) return this.takeBack(item);
    Object.assign(item, { state, reason });
    this.items.set(item.key, item);
    const { key, text, at, after } = item;
    item.isStored = store(this.prefix + key, JSON.stringify({ key, text, at, after, state, reason }));
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
