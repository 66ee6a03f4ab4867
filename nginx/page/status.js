// This module shows the connection's state, the pod that answered and a request to sign in, and announces messages and new entries to
// screen readers.

import { byId, element, setText } from "./dom.js";
import { beginning } from "./text.js";

const STATES = {
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  live: "Live",
  polling: "Connected",
  offline: "Not connected",
};
const TROUBLE_MS = 4000; // most lost connections are back within this time
const ANNOUNCEMENT_INTERVAL_MS = 5000;
const SPOKEN_LETTERS = 80; // how many letters of an entry a screen reader reads aloud

let stateTimer = 0;

// showConnection() changes the dot's colour at once, but reports a lost connection in words only after TROUBLE_MS.
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

const answers = new Map(); // maps each value of X-Answered-By to the number of responses with this value

// showAnswerer() shows which pod responded last, and counts the responses of each pod, so that visitors can watch scaling and
// rollouts.
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

const messages = new Set(); // messages that screen readers have not announced yet
let heard = []; // new entries that screen readers have not announced yet
let announcementTimer = 0;

// announce() makes screen readers read a message and new entries. Screen readers get at most one announcement per ANNOUNCEMENT_INTERVAL_MS.
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
