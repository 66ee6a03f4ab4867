// Own: which entries of the book were signed in this browser.

import { store, stored } from "./storage.js";

const MOST_OWN_ENTRIES = 200;

export class Own {
  constructor(name) {
    this.name = name;
  }

  add(entry) {
    const marks = [...this.#marks(), markOf(entry)].slice(-MOST_OWN_ENTRIES);
    store(this.name, JSON.stringify(marks));
  }

  has(entry) {
    return this.#marks().includes(markOf(entry));
  }

  #marks() {
    const value = stored()[this.name];
    if (value === this.value) return this.marks;
    this.value = value;
    try {
      this.marks = JSON.parse(value).filter((mark) => typeof mark === "string");
    } catch {
      this.marks = [];
    }
    return this.marks;
  }
}

// An id is a place in the book, where another entry may stand later. So a mark has some of the text, too.
function markOf({ id, text }) {
  return `${id} ${text.length} ${text.slice(0, 40)}`;
}
