// Own: which entries of the book were signed in this browser.

import { store, stored } from "./storage.js";

const MOST_OWN_ENTRIES = 200;

export class Own {
  constructor(name) {
    this.name = name;
    this.#load();
  }

  add(entry) {
    this.#load(); // another page may have signed
    this.marks = [...this.marks, markOf(entry)].slice(-MOST_OWN_ENTRIES);
    store(this.name, JSON.stringify(this.marks));
  }

  has(entry) {
    return this.marks.includes(markOf(entry));
  }

  #load() {
    try {
      this.marks = [...JSON.parse(stored()[this.name])];
    } catch {
      this.marks ??= []; // there are none, or they are not kept
    }
  }
}

// An id is a place in the book, where another entry may stand later. So a mark has some of the text, too.
function markOf({ id, text }) {
  return `${id} ${text.length} ${text.slice(0, 40)}`;
}
