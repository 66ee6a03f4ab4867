// Room limits the streams of one browser, which opens six connections to a host for all its pages together. Pages agree by Web
// Locks, so that at most four have a stream.

const MOST_STREAMS = 4;

// takeRoom resolves to a function that gives the room back, or to null if all rooms are taken. Pages over plain http have no
// Web Locks, and locks fail if cookies are refused: there every visible page has a stream.
export async function takeRoom() {
  try {
    for (let n = 0; n < MOST_STREAMS; n++) {
      const release = await tryLock(`guestbook stream ${n}`);
      if (release) return release;
    }
    return null;
  } catch {
    return () => {};
  }
}

// tryLock resolves to a function that releases the lock, or to null if another page holds it.
function tryLock(name) {
  return new Promise((resolve, reject) => {
    navigator.locks.request(name, { ifAvailable: true }, (lock) => (
      lock ? new Promise((release) => { resolve(release); }) : resolve(null)
    )).catch(reject);
  });
}
