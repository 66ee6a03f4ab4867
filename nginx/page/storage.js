// The browser's storage. A browser may refuse it, and it may be full: then the page works, and nothing survives a reload.

// HERE is the page's folder: one host may have several guestbooks.
export const HERE = location.pathname.replace(/[^/]*$/, "");

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

// newKey makes a random UUID. Pages that come by plain http have no crypto.randomUUID.
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
