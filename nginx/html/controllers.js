// Other versions of the page, such as the PHP guestbook's, load a script with the name controllers.js. During a rollout, a pod of
// this version may serve this file to such a page, which then reloads itself once.
if (performance.getEntriesByType("navigation")[0].type !== "reload") location.reload();
