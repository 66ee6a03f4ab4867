// Announcer makes screen readers say one short message at a time. It leaves out other visitors' entries, never one's own.

import { byId } from "./dom.js";
import { beginning } from "./text.js";

const ANNOUNCEMENT_INTERVAL_MS = 5000;
const SPOKEN_LETTERS = 80; // of an entry

const messages = new Set(); // not yet said
let heard = []; // entries not yet counted
let timer = 0;

export function announce(message, entries = []) {
  if (message) messages.add(message);
  heard.push(...entries);
  if (!timer) say();
}

function say() {
  if (heard.length === 1) messages.add(`New entry: ${beginning(heard[0].text, SPOKEN_LETTERS)}`);
  else if (heard.length > 1) messages.add(`${heard.length} new entries.`);
  byId("news").textContent = [...messages].join(" ");
  timer = messages.size > 0 ? setTimeout(say, ANNOUNCEMENT_INTERVAL_MS) : 0;
  messages.clear();
  heard = [];
}
