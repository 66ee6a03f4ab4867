// Connection keeps a Book up to date with the server. Each state of a Connection is a method, which also chooses the next state.
//
//   #read()     reads the newest entries from the server.
//   #follow()   receives new entries from the event stream.
//   #poll()     waits and then reads again while no event stream is available.
//   #retry()    waits after a failure, and then reads again.
//   #rest()     waits for HIDDEN_POLL_INTERVAL_MS while the page is hidden, and then reads again.

import { takeRoom } from "./room.js";
import { Failure, retryDelay } from "./server.js";

const POLL_INTERVAL_MS = 10_000;
const HIDDEN_POLL_INTERVAL_MS = 30_000;
const SILENT_STREAM_MS = 15_000; // after this time without an event, the stream counts as dead; the server sends a heartbeat every 10 s
const CLOCK_INTERVAL_MS = 500; // how often the page checks whether the event stream is silent

export class Connection {
  isHidden = false; // whether the page is hidden, as in a background tab
  #timer = 0; // the timer that ends the present state
  #close = () => {}; // closes the event stream
  #turn = 0; // increases with each change of state, so that a late response to a request of an earlier state is ignored
  #failures = 0; // failures in a row
  #isSilent = false; // whether the last event stream delivered no event
  #isRewritten = false; // whether the guestbook was rewritten since the last read

  // Connection reports its state by tell(state, failure), with a Failure if a request has failed. The state is "connecting", "live",
  // "polling", "reconnecting" or "offline".
  constructor(reader, server, tell = () => {}) {
    Object.assign(this, { reader, server, tell });
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

  // #enter() ends the present state and calls the method of the next state. Each state's method has a parameter isPresent(), a function
  // that returns false once the Connection has entered another state.
  #enter(state, failure) {
    this.stop();
    const turn = this.#turn;
    state.call(this, () => turn === this.#turn, failure);
  }

  #wait(delay) {
    this.#timer = setTimeout(() => this.start(), delay);
  }

  async #read(isPresent) {
    try {
      const page = await this.reader.news(this.#isRewritten, isPresent);
      if (!isPresent()) return;
      this.#isRewritten = false;
      this.#enter(this.isHidden ? this.#rest : page.old ? this.#poll : this.#follow);
    } catch (failure) {
      // The server returns 400 if a rewrite has made the guestbook shorter, so #read() runs again and replaces the Book's entries.
      const isShorter = failure.status === 400 && !this.#isRewritten;
      this.#isRewritten ||= isShorter;
      if (isPresent()) this.#enter(isShorter ? this.#read : this.#retry, failure);
      if (!(failure instanceof Failure)) throw failure;
    }
  }

  async #follow(isPresent) {
    if (this.#isSilent) this.tell("polling");
    this.#timer = setTimeout(() => this.#enter(this.#poll), SILENT_STREAM_MS); // polls if the request for a Web Lock gets no answer
    const leaveRoom = await takeRoom();
    if (!isPresent()) return leaveRoom?.();
    clearTimeout(this.#timer);
    let stream;
    try {
      stream = leaveRoom && this.server.follow(this.reader.book.last);
    } catch {
      leaveRoom(); // releases the Web Lock of takeRoom(), because no event stream has started
    }
    if (!stream) return this.#enter(this.#poll);
    this.#close = () => {
      stream.close();
      leaveRoom();
    };
    let isLive = false;
    let heardAt = Date.now();
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
      if (!this.#isSilent) live();
    });
    stream.addEventListener("heartbeat", heard);
    stream.addEventListener("entry", ({ data }) => {
      heard();
      this.reader.book.add(JSON.parse(data));
    });
    stream.addEventListener("reset", () => {
      this.#isRewritten = true;
      this.#failures = 0;
      this.#enter(this.#retry); // #retry() waits for a random time, because all open pages get the event "reset" at the same moment
    });
    // The page does not use EventSource's own retry, which would resume the stream even after a rewrite of the guestbook. After any status
    // other than 200, EventSource would not retry at all.
    stream.addEventListener("error", () => {
      if (isLive) this.tell("reconnecting");
      else if (this.#failures > 0) this.tell("polling"); // the event stream fails, but each retry reads the newest entries
      this.#isSilent = false;
      this.#enter(this.#retry);
    });
    // The page checks twice a second for how long the event stream has been silent. A single long timer would end too late, because timers
    // stop while the computer sleeps.
    const look = () => {
      this.#timer = setTimeout(look, CLOCK_INTERVAL_MS);
      if (Date.now() - heardAt < SILENT_STREAM_MS) return;
      this.#isSilent = true;
      if (isLive) this.tell("reconnecting");
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
    if (failure) this.tell(this.#failures > 0 ? "offline" : "connecting", failure);
    this.#wait(retryDelay(this.#failures++, failure));
  }

  #rest() {
    this.#failures = 0;
    this.#wait(HIDDEN_POLL_INTERVAL_MS);
  }
}
