// This module limits the event streams of one browser, because a browser opens at most six connections to a host for all its tabs.
// The tabs use Web Locks, so that at most four tabs have an event stream.

const MOST_STREAMS = 4;

// takeRoom() takes one of four locks, and resolves to a function that releases the lock, or to null if no lock is free. If Web
// Locks are unavailable, as over plain http or without cookies, every visible page has an event stream.
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

// tryLock() resolves to a function that releases the lock, or to null if another tab holds the lock.
function tryLock(name) {
  return new Promise((resolve, reject) => {
    navigator.locks.request(name, { ifAvailable: true }, (lock) => (
      lock ? new Promise((release) => { resolve(release); }) : resolve(null)
    )).catch(reject);
  });
}
