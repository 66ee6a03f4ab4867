// The tests call these functions in the page.

function all(selector) {
  return [...document.querySelectorAll(selector)];
}

// shownEntries() returns the entries in the list, newest first.
function shownEntries() {
  return all("#entries > li").map((li) => ({
    Text: [li.querySelector(".words").textContent, ...["failed", "pending"].filter((state) => li.classList.contains(state))].join(" "),
    Note: li.querySelector(".note")?.textContent ?? "",
  }));
}

// isInSight() reports whether an element or a range of text is inside the window.
function isInSight(node) {
  const { top, bottom } = node.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}

function rangeOf(text, from, to) {
  const range = new Range();
  range.setStart(text, from);
  range.setEnd(text, to);
  return range;
}

// recordChanges() appends read(node) to recorded[selector] after each change of the node.
var recorded = {};
function recordChanges(selector, read) {
  const node = document.querySelector(selector);
  const values = recorded[selector] = [];
  const kinds = { attributes: true, childList: true, characterData: true, subtree: true };
  new MutationObserver(() => values.push(read(node))).observe(node, kinds);
}

function entryInTheMiddle() {
  return document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest("li");
}

// mark() marks the entry in the middle of the window, and moved() returns how far the marked entry has moved since, in pixels.
var marked;
function mark() {
  const li = entryInTheMiddle();
  marked = { id: li.id, top: li.getBoundingClientRect().top };
}
function moved() {
  return (document.getElementById(marked.id)?.getBoundingClientRect().top ?? 1e9) - marked.top;
}

// scrollToEntry() scrolls to the nth entry, or to the last entry if the list is shorter.
function scrollToEntry(n) {
  const entries = all("#entries > li");
  (entries[n] ?? entries[entries.length - 1])?.scrollIntoView({ block: "center", behavior: "instant" });
  return entries.length > n;
}

// isQuiet() reports whether no entries are loading and the list keeps its length for two frames.
async function isQuiet() {
  const count = () => all("#entries > li, .busy").length;
  const before = count();
  for (let n = 0; n < 2; n++) await new Promise(requestAnimationFrame);
  return !document.querySelector(".busy") && count() === before;
}

// sidesOfLines() returns "left", "right" or "between" for the beginning of each line of the first entry.
function sidesOfLines() {
  const words = document.querySelector(".words"), { left, right } = words.getBoundingClientRect();
  const text = words.firstChild;
  let start = 0;
  return text.data.split("\n").map((line) => {
    const box = rangeOf(text, start, start + line.length).getBoundingClientRect();
    start += line.length + 1;
    return Math.abs(box.left - left) < 2 ? "left" : Math.abs(box.right - right) < 2 ? "right" : "between";
  });
}

// tooWide() returns the visible elements that extend beyond the right edge of the window.
function tooWide() {
  return all("body *")
    .filter((e) => e.getBoundingClientRect().right > innerWidth && e.checkVisibility() && !e.closest(".unseen"))
    .map((e) => `${e.localName}#${e.id}`);
}

// centreOf() scrolls to an element, and returns the position of its centre in the window.
function centreOf(selector) {
  const node = document.querySelector(selector);
  node.scrollIntoView({ block: "center", behavior: "instant" });
  const { left, top, width, height } = node.getBoundingClientRect();
  return { x: left + width / 2, y: top + height / 2 };
}

// visibleTexts() returns the tag name and the class of each visible element that contains only text.
function visibleTexts() {
  return all("body *")
    .filter((e) => e.checkVisibility() && !e.closest(".unseen") && !e.firstElementChild && e.textContent.trim() !== "")
    .map((e) => `${e.localName} ${e.className}`);
}

// coveredByFoot() scrolls the window, and returns the texts of the elements behind the foot of the page.
function coveredByFoot(y) {
  scrollTo(0, y);
  const foot = document.querySelector("#answerer").getBoundingClientRect();
  return all("#entries > li, form *, h1").filter((node) => {
    const box = node.getBoundingClientRect();
    return box.left < foot.right && box.right > foot.left && box.top < foot.bottom && box.bottom > foot.top;
  }).map((node) => node.textContent);
}

// axeFaults() returns the accessibility faults that axe-core finds.
async function axeFaults() {
  const { passes, violations } = await axe.run(document);
  const faults = violations.map(({ id, help, nodes }) => (
    [id, help, ...nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`)].join("\n")));
  if (passes.length < 10) faults.push("axe-core has checked too few rules");
  return [...faults, ...faintButtons().map((name) => `the border of the button "${name}" can hardly be seen`)];
}

// faintButtons() returns the classes of an unsent entry's buttons whose borders have too little contrast.
function faintButtons() {
  const { Color, getContrast } = axe.commons.color;
  const color = (value) => {
    const parsed = new Color();
    parsed.parseString(value);
    return parsed;
  };
  return all(".failed button").filter((button) => (
    getContrast(color(getComputedStyle(button.closest("li")).backgroundColor), color(getComputedStyle(button).borderTopColor)) < 3
  )).map(({ className }) => className);
}

// hasDot() reports whether the dot of an element is visible.
function hasDot(selector) {
  const node = document.querySelector(selector);
  if (!node) return false;
  const { borderTopWidth, borderTopColor, content } = getComputedStyle(node, "::before");
  return content !== "none" && parseFloat(borderTopWidth) >= 1 && borderTopColor !== getComputedStyle(document.body).backgroundColor;
}
