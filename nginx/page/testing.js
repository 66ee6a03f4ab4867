// Testing is what the tests of the modules share. api/test/browser runs each test in a page of its own, in which timers run ten
// times as fast.

export function equal(what, got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

export async function until(condition) {
  while (!condition()) await new Promise((next) => setTimeout(next, 5));
}

// pageOf returns a page of entries with these ids, before which others go on.
export function pageOf(before, ...ids) {
  return { before, after: null, old: false, entries: ids.map((id) => ({ id, text: `entry ${id}` })) };
}

export function idsOf({ entries }) {
  return entries.map(({ id }) => id);
}

// answerWith answers the page's requests in the server's place; answer returns a status, a body and headers.
export function answerWith(answer) {
  window.fetch = async (address, init) => {
    const [status, body, headers] = await answer(new URL(address), init);
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
  };
}
