// Room: a browser opens six connections to a host, for all its pages together. Where pages can agree, by Web Locks, at most
// four have a stream; two connections stay free for all else.

const MOST_STREAMS = 4;

// takeRoom resolves to a function that gives the room back, or to null where there is none. Web Locks are missing where pages
// come by plain http, and fail where cookies are refused: then only hidden pages make room.
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

// tryLock resolves to a function that releases the lock, or to null where another page has it.
function tryLock(name) {
  return new Promise((resolve, reject) => {
    navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (!lock) return resolve(null);
      return new Promise((release) => { resolve(release); });
    }).catch(reject);
  });
}
