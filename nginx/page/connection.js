// Connection: keeps a book up to date. It is in one state at a time, each a function that says what leads out of it:
//
//   #read     asks for what is new
//   #follow   has a stream in which entries come
//   #poll     no stream can be had: waits, and reads again
//   #retry    something failed: waits, and reads again
//   #rest     the page is hidden: waits for longer, and reads again

import { takeRoom } from "./room.js";
import { Failure, MOST_PAGE_ENTRIES } from "./server.js";

const RETRY_DELAYS_MS = [500, 1000, 2000, 4000, 8000, 15_000]; // the last one for ever
const POLL_INTERVAL_MS = 10_000;
const HIDDEN_POLL_INTERVAL_MS = 30_000;
const SILENT_STREAM_MS = 15_000; // until a stream in which nothing comes counts as dead; the server sends something every 10 s
const CLOCK_INTERVAL_MS = 500;
const FROZEN_TIMEOUT_MS = 3000; // for one request where connections are known to be dead
const MOST_FROZEN_CONNECTIONS = 6; // that a browser may have left
const MOST_MISSED_ENTRIES = 5000; // read to fill the gap after a sleep; past that the list begins anew

// backoff is a delay that not all pages choose.
export function backoff(delays, tries) {
  return delays[Math.min(tries, delays.length - 1)] * (0.75 + Math.random() / 2);
}

export class Connection {
  isHidden = false; // whether nobody sees the page
  #timer = 0; // leads out of the state
  #close = () => {}; // closes the stream
  #turn = 0; // of states: what an earlier one has asked for is ignored
  #failures = 0; // in a row
  #isSilent = false; // whether the stream before brought nothing
  #isFrozen = false; // whether connections died without a word
  #isRewritten = false; // whether what is known of the book is no longer true

  // tell is told how it stands: "connecting", "live", "polling", "reconnecting" or "offline", and what went wrong.
  constructor(book, server, tell = () => {}) {
    Object.assign(this, { book, server, tell });
  }

  start() {
    this.#enter(this.#read);
  }

  stop() {
    this.#turn++;
    clearTimeout(this.#timer);
    this.#close();
    this.#close = () => {};
  }

  // #enter leaves one state for another, which can ask whether it still is the present one.
  #enter(state, failure) {
    this.stop();
    const turn = this.#turn;
    state.call(this, () => turn === this.#turn, failure);
  }

  #wait(delay) {
    this.#timer = setTimeout(() => this.#enter(this.#read), delay);
  }

  async #read(isPresent) {
    let page;
    try {
      page = await this.#readNews();
    } catch (failure) {
      if (isPresent()) this.#enter(this.#retry, failure);
      if (failure instanceof Failure) return;
      throw failure;
    }
    if (!isPresent()) return;
    const instead = this.#isRewritten;
    this.#isRewritten = this.#isFrozen = false;
    this.book.take(page, instead);
    this.#enter(this.isHidden ? this.#rest : page.old ? this.#poll : this.#follow);
  }

  async #follow(isPresent) {
    if (this.#isSilent) this.tell("polling");
    const leaveRoom = await takeRoom();
    if (!isPresent()) return leaveRoom?.();
    let stream;
    try {
      stream = leaveRoom && this.server.follow(this.book.last);
    } catch {
      leaveRoom(); // this browser has no streams
    }
    if (!stream) return this.#enter(this.#poll);
    this.#close = () => {
      stream.close();
      leaveRoom();
    };
    let heardAt = Date.now();
    let isLive = false;
    const live = () => {
      if (!isLive) this.tell("live");
      isLive = true;
    };
    const heard = () => {
      heardAt = Date.now();
      this.#failures = 0;
      this.#isSilent = false;
      live();
    };
    stream.addEventListener("open", () => {
      if (!this.#isSilent) live(); // after a silent one it is believed once something comes
    });
    stream.addEventListener("heartbeat", heard);
    stream.addEventListener("entry", ({ data }) => {
      heard();
      this.book.add(JSON.parse(data));
    });
    stream.addEventListener("reset", () => {
      this.#isRewritten = true;
      this.#failures = 0;
      this.#enter(this.#retry); // not at once: all viewers are told at the same moment
    });
    stream.addEventListener("error", () => {
      // Not left to the browser. It would resume where it was, though the book may have been written anew meanwhile; it gives
      // up at any status but 200; and it does not tell when it cannot reach the server.
      if (isLive) this.tell("reconnecting");
      else if (this.#failures > 0) this.tell("polling"); // the book is read, at each try
      this.#isSilent = false;
      this.#enter(this.#retry);
    });
    // The clock is asked: a long timer would not count the time that the computer slept.
    const look = () => {
      this.#timer = setTimeout(look, CLOCK_INTERVAL_MS);
      if (Date.now() - heardAt < SILENT_STREAM_MS) return;
      this.#isSilent = true;
      if (isLive) {
        this.#isFrozen = true;
        this.#failures = 0;
        this.tell("reconnecting");
      }
      this.#enter(this.#read);
    };
    look();
  }

  #poll() {
    this.#failures = 0;
    this.tell("polling");
    this.#wait(POLL_INTERVAL_MS);
  }

  #retry(_, failure) {
    const isHasty = this.#isFrozen && this.#failures < MOST_FROZEN_CONNECTIONS;
    if (failure) this.tell(isHasty ? "reconnecting" : this.#failures > 0 ? "offline" : "connecting", failure);
    const delay = backoff(RETRY_DELAYS_MS, isHasty ? 0 : this.#failures);
    this.#failures++;
    this.#wait(Math.max(delay, failure?.wait ?? 0));
  }

  #rest() {
    this.#failures = 0;
    this.#wait(HIDDEN_POLL_INTERVAL_MS);
  }

  // #readNews reads the newest page, with all in it that is known already: also one's own entries, which a replica may not
  // have yet. What came between is read, too.
  async #readNews() {
    const { book, server } = this;
    const timeout = this.#isFrozen && this.#failures < MOST_FROZEN_CONNECTIONS ? FROZEN_TIMEOUT_MS : undefined;
    let page;
    try {
      page = await server.read({ seen: this.#isRewritten ? -1 : book.newest, timeout });
    } catch (failure) {
      if (failure.status !== 400) throw failure;
      this.#isRewritten = true; // the book has become shorter
      page = await server.read();
    }
    const hasGap = () => book.isRead && !this.#isRewritten && page.before !== null && page.before > book.last;
    while (hasGap() && page.entries.length < MOST_MISSED_ENTRIES) {
      const more = await server.read({ before: page.before, limit: MOST_PAGE_ENTRIES });
      page = { ...more, entries: [...more.entries, ...page.entries] };
    }
    return page;
  }
}
