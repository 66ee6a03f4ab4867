// What the page says of itself: how it is connected, who answered, what a visitor has to do.

import { byId, element, setText } from "./dom.js";
import { SIGN_IN } from "./server.js";

const STATES = {
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  live: "Live",
  polling: "Connected",
  offline: "Not connected",
};
const TROUBLE_MS = 4000; // until it is said that a connection is lost: most are back by then

let present = "connecting";
let timer = 0;

// showConnection shows at once how the page is connected, and says it in words once that is worth it.
export function showConnection(state) {
  const status = byId("connection");
  status.dataset.state = present = state;
  const say = () => {
    clearTimeout(timer);
    timer = 0;
    setText(status, STATES[present]);
    status.classList.toggle("trouble", present === "reconnecting" || present === "offline");
  };
  if (state !== "live" && status.textContent === STATES.live) timer ||= setTimeout(say, TROUBLE_MS);
  else say();
}

export function showUnread(count) {
  document.title = count === 0 ? "Guestbook" : `(${count}) Guestbook`;
}

// showNotice says something about the page, with a link that loads it again where that helps.
export function showNotice(text, link = "") {
  const notice = byId("notice");
  notice.textContent = text;
  if (!link) return;
  const a = element("a", "", link);
  a.href = location.pathname + location.search; // without a place in the page, so that it is loaded anew
  notice.append(" ", a);
}

// What one has written is kept while one signs in again.
export function showSignIn(needed) {
  if (needed === Boolean(byId("notice").querySelector("a"))) return;
  if (needed) showNotice(`${SIGN_IN} What you have written is kept.`, "Sign in again");
  else showNotice("");
}

const answers = new Map(); // by who gave them

// showAnswerer names who answered last, and opens to a count, so that scaling and a rollout can be watched.
export function showAnswerer(header) {
  if (!header) return;
  answers.set(header, (answers.get(header) ?? 0) + 1);
  const [pod, version] = header.split(" ");
  byId("answerer").hidden = false;
  byId("pod").textContent = pod;
  byId("version").textContent = version ? `, version ${version}` : "";
  setText(byId("answers"), ""); // browsers of 2020 have no replaceChildren
  byId("answers").append(...[...answers].sort().map(([who, count]) =>
    element("li", "", `${who.replace(" ", ", version ")}: ${count}`)));
}
