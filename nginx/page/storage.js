// This module stores values in the browser. If the browser refuses to store values, the page still works, but a reload loses the values.

// addressOf() returns the URL of a path relative to the page, so that the page works below any path prefix. addressOf() leaves out a
// user name and a password in the page's URL, because fetch refuses URLs with credentials.
export function addressOf(path) {
  return new URL(path, location.origin + location.pathname);
}

// The constant HERE is the URL path of the page's folder. Names of stored values contain HERE, unless all guestbooks of a host share the
// value.
export const HERE = addressOf(".").pathname;

// store() saves a value under a name, or removes the name if the value is "". store() reports whether the browser allowed the change.
export function store(name, value, storage = "localStorage") {
  try {
    if (value === "") window[storage].removeItem(name);
    else window[storage].setItem(name, value);
    return true;
  } catch {
    return false;
  }
}

// stored() returns all names and values of localStorage or sessionStorage as one object.
export function stored(storage = "localStorage") {
  try {
    return { ...window[storage] };
  } catch {
    return {};
  }
}

// newKey() returns a random Idempotency-Key for an entry. newKey() does not use crypto.randomUUID, because pages over plain http do not
// have that function.
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
}
