// Place keeps what is being read where it is, to the pixel, while entries come into the list or leave it.

const SEEN_ENTRIES = 30; // remembered, because some of them may leave the list

export class Place {
  #kept = null; // { seen, tops, scrollY } until the reader scrolls, so that roundings do not add up

  constructor(ul) {
    this.ul = ul;
  }

  get isAtTop() {
    return this.ul.getBoundingClientRect().top > 0;
  }

  forget() {
    this.#kept = null;
  }

  // keep changes the list by act.
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

  // inSight returns the entries in sight.
  inSight() {
    const all = [...this.ul.children];
    const first = all.findIndex((li) => li.getBoundingClientRect().bottom > 0);
    return first < 0 ? [] : all.slice(first, first + SEEN_ENTRIES).filter((li) => topOf(li) < innerHeight);
  }
}

function topOf(li) {
  return li.getBoundingClientRect().top;
}
