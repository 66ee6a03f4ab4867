export const LONGEST_TEXT_BYTES = 4096; // the server's limit for the text of an entry

export function bytesOf(text) {
  return new TextEncoder().encode(text).length;
}

// isBlank() reports whether a text has only invisible characters, such as white space and controls. The server and the page have the same
// list of invisible characters, from Unicode 17.
export function isBlank(text) {
  return /^[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffc]*$/u.test(text);
}

// beginning() returns the first letters of a text and cuts no letter in two. An emoji counts as one letter, even if it has a dozen UTF-16
// code units.
export function beginning(text, letters) {
  const head = text.slice(0, 12 * letters);
  // Firefox before 125 has no Intl.Segmenter.
  const all = Intl.Segmenter ? Array.from(new Intl.Segmenter().segment(head), ({ segment }) => segment) : [...head];
  // slice() may cut a letter in two, so beginning() drops the last letter of a shortened text.
  const whole = head === text ? all.length : all.length - 1;
  return head === text && whole <= letters ? text : `${all.slice(0, Math.min(letters, whole)).join("")}…`;
}

// withName() adds a name to a text, on a line of its own, because an entry has no field for a name.
export function withName(text, name) {
  return isBlank(name) ? text : `${text}\n— ${name.trim()}`;
}

// withoutName() removes the name that withName() has added to a text.
export function withoutName(text, name) {
  const line = withName("", name);
  return line !== "" && text.endsWith(line) ? text.slice(0, -line.length) : text;
}
