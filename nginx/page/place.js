// Place keeps the entries that the visitor is reading at the same position in the window, while the list gets or loses entries.

const SEEN_ENTRIES = 30; // keep() measures up to this many visible entries, because some of them may leave the list

export class Place {
  // keep() reuses the measured positions until the visitor scrolls, because each new measurement adds a rounding error.
  #kept = null; // the entries in sight, their tops, and the window's scroll position: { seen, tops, scrollY }

  constructor(ul) {
    this.ul = ul;
  }

  get isAtTop() {
    return this.ul.getBoundingClientRect().top > 0;
  }

  forget() {
    this.#kept = null;
  }

  // keep() calls act(), which changes the list, and then scrolls the window so that the entries in sight stay where they were.
  keep(act) {
    let place = this.#kept;
    if (!place || Math.abs(scrollY - place.scrollY) > 1) {
      const seen = this.isAtTop ? [] : this.inSight();
      place = { seen, tops: seen.map(topOf) };
    }
    act();
    const i = place.seen.findIndex(({ isConnected }) => isConnected);
    if (i >= 0) window.scrollBy({ top: topOf(place.seen[i]) - place.tops[i], behavior: "instant" });
    this.#kept = i >= 0 ? { ...place, scrollY } : null;
  }

  // inSight() returns the elements of the list that are inside the window, at most SEEN_ENTRIES.
  inSight() {
    const all = [...this.ul.children];
    const first = all.findIndex((li) => li.getBoundingClientRect().bottom > 0);
    return first < 0 ? [] : all.slice(first, first + SEEN_ENTRIES).filter((li) => topOf(li) < innerHeight);
  }
}

function topOf(li) {
  return li.getBoundingClientRect().top;
}
