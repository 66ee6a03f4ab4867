// Outbox: entries that the server has not confirmed. They survive a reload, each under its own name in the storage, which
// several pages share. An item's state:
//
//   sending   a request is out
//   held      certainly not in the book; it is sent again by itself
//   unsure    no answer, so it may be in the book; it is sent again by itself, under its key
//   refused   certainly not in the book; the visitor decides
//   lost      it may be in the book; the visitor decides

import { backoff } from "./connection.js";
import { Failure } from "./server.js";
import { newKey, store, stored } from "./storage.js";

const RESEND_DELAYS_MS = [500, 1000, 2000, 4000, 8000, 8000];
const SLOW_MS = 3000; // until a visitor is offered to take back what is being sent
const KEY_LIFETIME_MS = 20 * 3600_000; // the server remembers a key for a day

export function isFailed({ state }) {
  return state === "refused" || state === "lost";
}

export class Outbox {
  items = new Map(); // by key, in the order of signing
  #own = new Set(); // ids of the entries that it has brought into the book

  // changed is told when there is something to show, tell what to say, arrived which entry of one's own is in the book.
  constructor(book, server, prefix, { changed = () => {}, tell = () => {}, arrived = () => {} } = {}) {
    Object.assign(this, { book, server, prefix, changed, tell, arrived });
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

  // recheck takes back what another page of this browser has taken back, or sent, while this one did not run or hear of it.
  recheck() {
    for (const item of this.items.values()) if (this.#isGone(item)) this.takeBack(item);
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
      if (item.state === "unsure" && Date.now() - item.at > KEY_LIFETIME_MS) {
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
    return after !== null && entry.id > after && entry.text === text && !this.#own.has(entry.id);
  }

  // #isGone tells whether another page has removed an item from the storage.
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
      const isSure = item.state === "held";
      const copy = this.book.entries.slice(this.book.indexOf(item.after ?? Infinity))
        .find((entry) => this.#isCopy(item, entry));
      this.#put(item, "sending", item.reason); // the page may be closed now
      if (!this.items.has(item.key)) break;
      item.cancel = new AbortController();
      let failure;
      try {
        this.#settle(item, await this.server.post(item, item.cancel));
        break;
      } catch (error) {
        failure = error;
      }
      if (!this.items.has(item.key)) break;
      // The server was asked and did not say whose the copy is: to the reader it is the same.
      if (copy && !(isSure && failure.certain)) {
        this.#settle(item, copy);
        break;
      }
      this.#judge(item, failure, isSure && failure.certain, failure.away || (failure.passing && tries < failure.tries));
      if (!(failure instanceof Failure)) throw failure;
      if (!isFailed(item)) await this.#pause(item, Math.max(backoff(RESEND_DELAYS_MS, tries - 1), failure.wait));
      if (!this.items.has(item.key)) break;
    }
    clearTimeout(slow);
  }

  #judge(item, { message, status, old, away }, isSure, again) {
    if (status === 422) { // the key belongs to another entry
      this.#forget(item);
      Object.assign(item, { key: newKey(), isStored: false });
    }
    const wait = old ? "Your entry waits here until that is done." : away ? "Your entry waits here until you are." : "Trying again.";
    if (again && isSure) this.#put(item, "held", `${message} ${wait}`);
    else if (again) this.#put(item, "unsure", "No answer yet. Trying again.");
    else if (isSure) this.#put(item, "refused", `Not in the book yet. ${message}`);
    else this.#put(item, "lost", `${message} It is not certain that this entry arrived. Retrying is safe: it will not appear twice.`);
    if (!again) this.tell("Your entry could not be sent.");
  }

  #settle(item, entry) {
    if (!this.items.has(item.key)) return;
    this.#own.add(entry.id);
    this.#forget(item);
    this.arrived(entry);
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
