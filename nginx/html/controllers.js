// Other versions of the page, such as the PHP guestbook's, load a script with the name controllers.js. During a rollout, an old pod may
// serve the page, and a new pod controllers.js, which reloads the page once.
if (performance.getEntriesByType("navigation")[0].type !== "reload") location.reload();
