// Status shows how the page is connected, who answered, and what a visitor has to do.

import { byId, element, setText } from "./dom.js";
import { SIGN_IN } from "./server.js";

const STATES = {
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  live: "Live",
  polling: "Connected",
  offline: "Not connected",
};
const TROUBLE_MS = 4000; // until the page says that a connection is lost, because most are back by then

let timer = 0;

// showConnection shows a state of the connection at once, and says in words a loss that lasts.
export function showConnection(state) {
  const status = byId("connection");
  status.dataset.state = state;
  const say = () => {
    timer = clearTimeout(timer);
    const { state } = status.dataset;
    setText(status, STATES[state]);
    status.classList.toggle("trouble", state === "reconnecting" || state === "offline");
  };
  if (state !== "live" && status.textContent === STATES.live) timer ||= setTimeout(say, TROUBLE_MS);
  else say();
}

// showNotice says something about the page. The link, if there is one, loads the page again.
export function showNotice(text, link = "") {
  const notice = byId("notice");
  notice.textContent = text;
  if (link) notice.append(" ", Object.assign(element("a", "", link), { href: location.pathname + location.search }));
}

export function showSignIn(isNeeded) {
  if (isNeeded === Boolean(byId("notice").querySelector("a"))) return;
  if (isNeeded) showNotice(`${SIGN_IN} What you have written is kept.`, "Sign in again");
  else showNotice("");
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
