// Own remembers which entries of the book were signed in this browser.

import { store, stored } from "./storage.js";

const MOST_OWN_ENTRIES = 200;

export class Own {
  #marks = [];

  constructor(name) {
    this.name = name;
    this.#load();
  }

  add(entry) {
    this.#load(); // another page may have signed
    this.#marks = [...this.#marks, markOf(entry)].slice(-MOST_OWN_ENTRIES);
    store(this.name, JSON.stringify(this.#marks));
  }

  has(entry) {
    return this.#marks.includes(markOf(entry));
  }

  #load() {
    try {
      this.#marks = [...JSON.parse(stored()[this.name])];
    } catch {
      // Nothing is stored yet, or the browser refuses.
    }
  }
}

// markOf includes some of the text, because an id is a place in the book, where another entry may stand later.
function markOf({ id, text }) {
  return `${id} ${text.length} ${text.slice(0, 40)}`;
}
