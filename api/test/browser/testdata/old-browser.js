// This script removes functions from the browser, because older browsers lack these functions.
for (const path of [
  "AbortSignal.any", "AbortSignal.timeout", "Array.fromAsync", "Array.prototype.at", "Array.prototype.findLast", "Array.prototype.findLastIndex",
  "Array.prototype.toReversed", "Array.prototype.toSorted", "Array.prototype.toSpliced", "Array.prototype.with", "BroadcastChannel",
  "Element.prototype.checkVisibility", "HTMLFormElement.prototype.requestSubmit", "Intl.Segmenter", "Map.groupBy", "Object.groupBy",
  "Object.hasOwn", "Promise.any", "Promise.try", "Promise.withResolvers", "Set.prototype.union", "SharedWorker", "String.prototype.at",
  "String.prototype.isWellFormed", "String.prototype.replaceAll", "WeakRef", "crypto.randomUUID", "navigator.clipboard", "navigator.locks",
  "navigator.userAgentData", "requestIdleCallback", "scheduler", "structuredClone",
]) {
  const names = path.split("."), name = names.pop();
  let holder = names.reduce((object, name) => object[name], globalThis);
  while (holder && !{}.hasOwnProperty.call(holder, name)) holder = Object.getPrototypeOf(holder);
  if (holder) delete holder[name];
}
