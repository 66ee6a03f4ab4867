// Status shows how the page is connected, who answered, and what a visitor has to do. Screen readers hear of news from it.

import { byId, element, setText } from "./dom.js";
import { beginning } from "./text.js";

const STATES = {
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  live: "Live",
  polling: "Connected",
  offline: "Not connected",
};
const TROUBLE_MS = 4000; // until the page says that a connection is lost, because most are back by then
const ANNOUNCEMENT_INTERVAL_MS = 5000;
const SPOKEN_LETTERS = 80; // of an entry

let stateTimer = 0;

// showConnection shows a state of the connection at once, and says in words a loss that lasts.
export function showConnection(state) {
  const status = byId("connection");
  status.dataset.state = state;
  const say = () => {
    clearTimeout(stateTimer);
    stateTimer = 0;
    const { state } = status.dataset;
    setText(status, STATES[state]);
    status.classList.toggle("trouble", state === "reconnecting" || state === "offline");
  };
  if (state !== "live" && status.textContent === STATES.live) stateTimer ||= setTimeout(say, TROUBLE_MS);
  else say();
}

export function showSignIn(isNeeded) {
  byId("signin").hidden = !isNeeded;
}

const answers = new Map(); // by who answered

// showAnswerer names who answered last, and counts, so that one can watch scaling and a rollout.
export function showAnswerer(header) {
  if (!header) return;
  answers.set(header, (answers.get(header) ?? 0) + 1);
  const [pod, version] = header.split(" ");
  byId("answerer").hidden = false;
  byId("pod").textContent = pod;
  byId("version").textContent = version ? `, version ${version}` : "";
  byId("answers").replaceChildren(...[...answers].sort().map(([who, count]) =>
    element("li", "", `${who.replace(" ", ", version ")}: ${count}`)));
}

const messages = new Set(); // not yet said
let heard = []; // entries not yet counted
let announcementTimer = 0;

// announce makes screen readers say a message, and how many entries came. Screen readers hear one text in a while, which contains
// all messages since the last.
export function announce(message, entries = []) {
  if (message) messages.add(message);
  heard.push(...entries);
  if (!announcementTimer) sayNews();
}

function sayNews() {
  if (heard.length === 1) messages.add(`New entry: ${beginning(heard[0].text, SPOKEN_LETTERS)}`);
  else if (heard.length > 1) messages.add(`${heard.length} new entries.`);
  byId("news").textContent = [...messages].join(" ");
  announcementTimer = messages.size > 0 ? setTimeout(sayNews, ANNOUNCEMENT_INTERVAL_MS) : 0;
  messages.clear();
  heard = [];
}
