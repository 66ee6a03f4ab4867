// Text measures a text, takes its first letters, and joins a name to it.

export const LONGEST_TEXT_BYTES = 4096; // the server's limit

export function bytesOf(text) {
  return new TextEncoder().encode(text).length;
}

// isBlank reports whether nothing of a text can be seen: white space, controls, ignorable code points, the Braille pattern
// without dots, and U+FFF9 to U+FFFC, which browsers do not draw. The server has the same list, of Unicode 17.
export function isBlank(text) {
  return /^[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffc]*$/u.test(text);
}

// beginning returns a text's first letters, each whole: an emoji is one letter of up to a dozen code units.
export function beginning(text, letters) {
  const head = text.slice(0, 12 * letters);
  // Firefox before 125 has no Segmenter.
  const all = Intl.Segmenter ? Array.from(new Intl.Segmenter().segment(head), ({ segment }) => segment) : [...head];
  const whole = head === text ? all.length : all.length - 1; // the last one may be cut
  return head === text && whole <= letters ? text : `${all.slice(0, Math.min(letters, whole)).join("")}…`;
}

// withName returns a text with a name on a line of its own, because the book has no field for names.
export function withName(text, name) {
  return isBlank(name) ? text : `${text}\n— ${name.trim()}`;
}

// withoutName undoes withName.
export function withoutName(text, name) {
  const line = withName("", name);
  return line !== "" && text.endsWith(line) ? text.slice(0, -line.length) : text;
}
