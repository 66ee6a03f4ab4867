// Other versions of the page, such as the PHP guestbook's, load a script with the name controllers.js. During a rollout, the page may come
// from an old pod, and this script from a new pod. This script then reloads the page once.
if (performance.getEntriesByType("navigation")[0].type !== "reload") location.reload();
