// Place: what is being read stays where it is, to the pixel, whatever comes into the list or leaves it.

const SEEN_ENTRIES = 30; // any of which may be left to hold on to

export class Place {
  #kept = null; // { li, seen, tops, scrollY }, until the reader scrolls, so that roundings do not add up

  constructor(ul) {
    this.ul = ul;
  }

  get isAtTop() {
    return this.ul.getBoundingClientRect().top > 0;
  }

  forget() {
    this.#kept = null;
  }

  // keep does something to the list.
  keep(act) {
    let place = this.#kept;
    if (!place?.li.isConnected || Math.abs(scrollY - place.scrollY) > 1) place = this.#find();
    act();
    this.#kept = null;
    const li = place?.seen.find(({ isConnected }) => isConnected);
    if (!li) return;
    window.scrollBy({ top: li.getBoundingClientRect().top - place.tops.get(li), behavior: "instant" });
    this.#kept = { ...place, li, scrollY };
  }

  // inSight is the entries in sight.
  inSight() {
    return this.#from(this.#first()).filter((li) => li.getBoundingClientRect().top < innerHeight);
  }

  // #find is which entries are in sight, and where, if the top of the list is not.
  #find() {
    if (this.isAtTop || this.ul.children.length === 0) return null;
    const seen = this.#from(this.#first());
    return { li: seen[0], seen, tops: new Map(seen.map((li) => [li, li.getBoundingClientRect().top])) };
  }

  #from(first) {
    return [...this.ul.children].slice(first, first + SEEN_ENTRIES);
  }

  // #first is the index of the first entry in sight.
  #first() {
    const { children } = this.ul;
    let low = 0;
    for (let high = children.length - 1; low < high;) {
      const middle = (low + high) >> 1;
      if (children[middle].getBoundingClientRect().bottom <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
