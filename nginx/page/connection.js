// Connection keeps a book up to date. It is in one state at a time. Each state is a function that says what leads out of it:
//
//   #read     asks for what is new
//   #follow   has a stream in which entries come
//   #poll     can have no stream: waits, and reads again
//   #retry    after a failure: waits, and reads again
//   #rest     while the page is hidden: waits longer, and reads again

import { takeRoom } from "./room.js";
import { Failure, retryDelay } from "./server.js";

const POLL_INTERVAL_MS = 10_000;
const HIDDEN_POLL_INTERVAL_MS = 30_000;
const SILENT_STREAM_MS = 15_000; // until a stream without events counts as dead; the server sends one every 10 s
const CLOCK_INTERVAL_MS = 500; // between two looks for a silent stream

export class Connection {
  isHidden = false; // whether nobody sees the page
  #timer = 0; // leads out of the state
  #close = () => {}; // closes the stream
  #turn = 0; // counts states, so that responses to an earlier one are ignored
  #failures = 0; // in a row
  #isSilent = false; // whether the last stream brought nothing
  #isRewritten = false; // whether the book was rewritten since it was read

  // tell receives how it stands, and what went wrong: "connecting", "live", "polling", "reconnecting" or "offline".
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

  // #enter leaves one state for another, which can ask whether it is still the present one.
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
      const isShorter = failure.status === 400 && !this.#isRewritten; // than what is known
      this.#isRewritten ||= isShorter;
      if (isPresent()) this.#enter(isShorter ? this.#read : this.#retry, failure);
      if (!(failure instanceof Failure)) throw failure;
    }
  }

  async #follow(isPresent) {
    if (this.#isSilent) this.tell("polling");
    this.#timer = setTimeout(() => this.#enter(this.#poll), SILENT_STREAM_MS); // the browser's locks may never answer
    const leaveRoom = await takeRoom();
    if (!isPresent()) return leaveRoom?.();
    clearTimeout(this.#timer);
    let stream;
    try {
      stream = leaveRoom && this.server.follow(this.reader.book.last);
    } catch {
      leaveRoom(); // this browser has no streams
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
      this.#enter(this.#retry); // not at once, because all viewers hear it at the same moment
    });
    // The browser's own retry would resume though the book may be rewritten, and ends at any status but 200.
    stream.addEventListener("error", () => {
      if (isLive) this.tell("reconnecting");
      else if (this.#failures > 0) this.tell("polling"); // each try reads the book
      this.#isSilent = false;
      this.#enter(this.#retry);
    });
    // A long timer would not count the time that the computer slept.
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
