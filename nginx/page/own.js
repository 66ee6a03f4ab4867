// Own remembers which entries of the guestbook were signed in this browser.

import { store, stored } from "./storage.js";

const MOST_OWN_ENTRIES = 200;

export class Own {
  #marks = [];

  constructor(name) {
    this.name = name;
    this.#load();
  }

  add(entry) {
    this.#load(); // another tab may have added entries
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
      // The field #marks keeps its value if localStorage has no marks, or if the browser refuses access to localStorage.
    }
  }
}

// markOf() adds the beginning of an entry's text to its id, because after a rewrite of the guestbook, another entry may have the same id.
function markOf({ id, text }) {
  return `${id} ${text.length} ${text.slice(0, 40)}`;
}
