// The form: a text and a name, kept as they are written.

import { byId, element } from "./dom.js";
import { HERE, store, stored } from "./storage.js";
import { LONGEST_TEXT_BYTES, bytesOf, isBlank, withName, withoutName } from "./text.js";

const ROOM_SHOWN_BYTES = 400; // left, from which on the room is shown
const DOUBLE_CLICK_MS = 1000;
const COMPOSITION_MS = 1000; // in which Ctrl+Enter ends the composing of a letter
const DRAFT = `guestbook draft ${HERE}`;
const NAME = "guestbook name"; // one for all guestbooks of a host

export class Form {
  #field = byId("text");
  #name = byId("name");
  #signedAt = -Infinity;

  // sign is given each text that is signed.
  constructor(sign) {
    this.sign = sign;
    const field = this.#field;
    byId("sign").addEventListener("submit", (event) => this.#submit(event));
    field.addEventListener("input", () => this.#drafted());
    this.#name.addEventListener("input", () => {
      store(NAME, this.#name.value);
      this.#drafted();
    });
    byId("sign").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      if (!event.isComposing) return byId("post").click();
      const askedAt = performance.now();
      event.target.addEventListener("compositionend", () => setTimeout(() => {
        if (performance.now() - askedAt < COMPOSITION_MS) byId("post").click();
      }), { once: true });
    });
    if (/Mac|iPhone|iPad/.test(navigator.platform)) byId("hint").querySelector("kbd").textContent = "⌘";
    byId("post").disabled = false;
    field.value ||= stored("sessionStorage")[DRAFT] ?? stored()[DRAFT] ?? "";
    this.#name.value ||= stored()[NAME] ?? "";
    this.#drafted();
  }

  // edit gives back a text that was signed, above what has been written since.
  edit(text) {
    this.#field.value = [withoutName(text, this.#name.value), this.#field.value.trim()].filter(Boolean).join("\n");
    this.#drafted();
    this.focus();
  }

  focus() {
    this.#field.focus();
  }

  // Each tab has its own draft. One that is closed leaves it to the next that is opened.
  leave() {
    if (this.#field.value) store(DRAFT, this.#field.value);
  }

  comeBack() {
    if (stored()[DRAFT] === this.#field.value) store(DRAFT, "");
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#field.value.trim();
    const whole = withName(text, this.#name.value);
    if (isBlank(text)) {
      // The second click of a double click, or the keys held: there is nothing to complain about.
      const isDouble = text === "" && performance.now() - this.#signedAt < DOUBLE_CLICK_MS;
      if (isDouble) this.#signedAt = performance.now();
      else complain(text === "" ? "Write a few words first." : "Nothing of this can be seen. Write a few words.");
    } else if (bytesOf(whole) > LONGEST_TEXT_BYTES) {
      complain("This is too long for one entry.");
    } else {
      this.#field.value = "";
      this.#drafted();
      this.sign(whole);
      this.#signedAt = performance.now();
      return;
    }
    this.focus();
  }

  // #drafted follows the text as it is written. How many letters fit depends on the letters.
  #drafted() {
    store(DRAFT, this.#field.value, "sessionStorage");
    const text = withName(this.#field.value.trim(), this.#name.value);
    const size = bytesOf(text);
    const isOver = size > LONGEST_TEXT_BYTES;
    const isNear = size >= LONGEST_TEXT_BYTES - ROOM_SHOWN_BYTES;
    const letters = Math.ceil(Math.abs(LONGEST_TEXT_BYTES - size) / (size / Math.max(1, [...text].length)));
    const count = byId("count");
    count.hidden = !isNear;
    count.classList.toggle("over", isOver);
    count.textContent = isOver ? `About ${letters} letters too long` : isNear ? `Room for about ${letters} letters` : "";
    this.#field.setAttribute("aria-invalid", isOver);
    byId("post").setAttribute("aria-disabled", isOver);
    complain("");
  }
}

function complain(message) {
  const error = byId("error");
  error.textContent = "";
  if (message) error.append(element("span", "", message)); // a new one is said again
  error.hidden = message === "";
}
