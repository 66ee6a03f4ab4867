// The address that other versions of the page, the PHP frontend's too, have their script at. During a rollout such a page may
// get it from here: it loads itself again, once.
if (performance.getEntriesByType("navigation")[0].type !== "reload") location.reload();
