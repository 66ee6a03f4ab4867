// This script records when the page becomes usable.
const at = {};
new MutationObserver(() => {
  if (document.querySelector("#post")?.disabled === false) at.interactive ??= performance.now();
  if (document.querySelector("#entries > li")) at.entry ??= performance.now();
}).observe(document, { childList: true, subtree: true, attributes: true });

// times() returns the milliseconds until the first paint, until the button "Sign" works, and until the first entry.
function times() {
  return [performance.getEntriesByName("first-contentful-paint")[0]?.startTime, at.interactive, at.entry];
}
