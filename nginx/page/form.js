// Form reads the visitor's text and name, and stores both while the visitor types.

import { byId, element } from "./dom.js";
import { HERE, store, stored } from "./storage.js";
import { LONGEST_TEXT_BYTES, bytesOf, isBlank, withName, withoutName } from "./text.js";

const COUNTED_BYTES = 400; // if at most this many bytes remain, the page shows how many letters still fit
const DOUBLE_CLICK_MS = 1000;
const COMPOSITION_MS = 1000; // Ctrl+Enter waits this long for the input method to complete a character
const DRAFT = `guestbook draft ${HERE}`;
const NAME = "guestbook name"; // all guestbooks of a host share the visitor's name

export class Form {
  #field = byId("text");
  #name = byId("name");
  #signedAt = -Infinity;

  // Form calls sign(text) when the visitor submits a text.
  constructor(sign) {
    this.sign = sign;
    const field = this.#field;
    const form = byId("sign");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    form.addEventListener("input", () => {
      store(NAME, this.#name.value);
      this.#showDraft();
    });
    form.addEventListener("keydown", (event) => this.#signByKey(event));
    // Each tab has its own draft. A tab that is closed leaves its draft to the next tab that opens.
    window.addEventListener("pagehide", () => {
      if (field.value) store(DRAFT, field.value);
    });
    const takeDraft = () => {
      if (stored()[DRAFT] === field.value) store(DRAFT, "");
    };
    window.addEventListener("pageshow", takeDraft);
    if (/Mac|iPhone|iPad/.test(navigator.platform)) byId("hint").querySelector("kbd").textContent = "⌘";
    byId("post").disabled = false;
    field.value ||= stored("sessionStorage")[DRAFT] ?? stored()[DRAFT] ?? "";
    if (document.readyState === "complete") takeDraft(); // the browser fired "pageshow" earlier, while it prerendered the page
    this.#name.value ||= stored()[NAME] ?? "";
    this.#showDraft();
  }

  // edit() puts a submitted text back into the text field, above the text that the visitor has typed since.
  edit(text) {
    this.#field.value = [withoutName(text, this.#name.value), this.#field.value.trim()].filter(Boolean).join("\n");
    this.#showDraft();
    this.#field.focus();
  }

  #signByKey(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    if (!event.isComposing) return byId("post").click();
    const askedAt = performance.now();
    event.target.addEventListener("compositionend", () => setTimeout(() => {
      if (performance.now() - askedAt < COMPOSITION_MS) byId("post").click();
    }), { once: true });
  }

  #submit() {
    const text = this.#field.value.trim();
    const whole = withName(text, this.#name.value);
    const now = performance.now();
    if (text === "" && now - this.#signedAt < DOUBLE_CLICK_MS) this.#signedAt = now; // ignores the second click of a double click
    else if (text === "") complain("Write a few words first.");
    else if (isBlank(text)) complain("Nothing of this can be seen. Write a few words.");
    else if (bytesOf(whole) > LONGEST_TEXT_BYTES) complain("This is too long for one entry.");
    else {
      this.#signedAt = now;
      this.#field.value = "";
      this.#showDraft();
      return this.sign(whole);
    }
    this.#field.focus();
  }

  // #showDraft() stores the draft, and shows about how many more letters fit. Some letters need more bytes than others.
  #showDraft() {
    store(DRAFT, this.#field.value, "sessionStorage");
    const text = withName(this.#field.value.trim(), this.#name.value);
    const left = LONGEST_TEXT_BYTES - bytesOf(text);
    const letters = Math.ceil(Math.abs(left) * [...text].length / bytesOf(text));
    const count = byId("count");
    count.hidden = left > COUNTED_BYTES;
    count.classList.toggle("over", left < 0);
    count.textContent = count.hidden ? "" : left < 0 ? `About ${letters} letters too long` : `Room for about ${letters} letters`;
    this.#field.setAttribute("aria-invalid", left < 0);
    byId("post").setAttribute("aria-disabled", left < 0);
    complain("");
  }
}

// complain() creates a new element for each message, so that screen readers also read a repeated message.
function complain(message) {
  const error = byId("error");
  error.textContent = "";
  if (message) error.append(element("span", "", message));
  error.hidden = message === "";
}
