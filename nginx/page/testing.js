// The Go tests in api/test/browser run each JavaScript test in a page of its own, whose timers run ten times as fast.

export function equal(what, got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

export async function until(condition) {
  while (!condition()) await new Promise((next) => setTimeout(next, 5));
}

// pageOf() returns a page of entries with the given ids, in the form that Server.read() resolves to.
export function pageOf(before, ...ids) {
  return { before, after: null, old: false, entries: ids.map((id) => ({ id, text: `entry ${id}` })) };
}

export function idsOf({ entries }) {
  return entries.map(({ id }) => id);
}

// answerWith() replaces the browser's function fetch() by a mock server. For each request, the mock server calls answer(url, init), which
// returns the status, the body and the headers of the response.
export function answerWith(answer) {
  window.fetch = async (address, init) => {
    const [status, body, headers] = await answer(new URL(address), init);
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
  };
}
