// Where the page is, and what the browser keeps for it. A browser may refuse to, or have no room: then the page works, and
// nothing survives a reload.

// addressOf is where a path of the guestbook is, relative to the page, so that it works below any path. A browser refuses
// requests to an address that has a user's name or password in it, as the page's own may.
export function addressOf(path) {
  return new URL(path, location.origin + location.pathname);
}

// HERE is the page's folder: one host may have several guestbooks.
export const HERE = addressOf(".").pathname;

// store keeps a value under a name, and "" removes the name. It tells whether that worked.
export function store(name, value, storage = "localStorage") {
  try {
    if (value === "") window[storage].removeItem(name);
    else window[storage].setItem(name, value);
    return true;
  } catch {
    return false;
  }
}

// stored is all names with their values.
export function stored(storage = "localStorage") {
  try {
    return { ...window[storage] };
  } catch {
    return {};
  }
}

// newKey makes a key that no other page has. Pages that come by plain http have no crypto.randomUUID.
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
}
