// Storage keeps values in the browser. If the browser refuses or is full, the page works and nothing survives a reload.

// addressOf returns the address of a path relative to the page, so that the page works below any path. It leaves out a
// user's name and password, because browsers refuse requests to such addresses.
export function addressOf(path) {
  return new URL(path, location.origin + location.pathname);
}

// HERE is the page's folder, because one host may have several guestbooks.
export const HERE = addressOf(".").pathname;

// store keeps a value under a name, or removes the name if the value is "". store reports whether the browser allowed that.
export function store(name, value, storage = "localStorage") {
  try {
    if (value === "") window[storage].removeItem(name);
    else window[storage].setItem(name, value);
    return true;
  } catch {
    return false;
  }
}

// stored returns all names with their values.
export function stored(storage = "localStorage") {
  try {
    return { ...window[storage] };
  } catch {
    return {};
  }
}

// newKey returns a key that no other page has. Pages over plain http have no crypto.randomUUID.
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
}
