// What screen readers say: one short message in a while. What is one's own is never left out.

import { byId } from "./dom.js";
import { beginning } from "./text.js";

const ANNOUNCEMENT_INTERVAL_MS = 5000;
const SPOKEN_LETTERS = 80; // of an entry

const unsaid = new Set();
let heard = [];
let timer = 0;

export function announce(message, entries = []) {
  if (message) unsaid.add(message);
  heard.push(...entries);
  if (timer) return;
  if (heard.length === 1) unsaid.add(`New entry: ${beginning(heard[0].text, SPOKEN_LETTERS)}`);
  else if (heard.length > 1) unsaid.add(`${heard.length} new entries.`);
  byId("news").textContent = [...unsaid].join(" ");
  if (unsaid.size > 0) {
    timer = setTimeout(() => {
      timer = 0;
      announce();
    }, ANNOUNCEMENT_INTERVAL_MS);
  }
  unsaid.clear();
  heard = [];
}
