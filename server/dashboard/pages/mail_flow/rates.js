// Emails per second of the last five minutes, out of the seconds that frames carry. Pure.

export const WINDOW_S = 300;
/** Each point is the mean of so many seconds: single seconds of little mail are a fence of 0 and 1. */
export const MEAN_S = 5;
/** A second's events are stored up to this long after it ended: until then it is not drawn. */
export const SETTLE_S = 2;
/** How many seconds before its own time a tick repeats in full; what it leaves out counted nothing. */
const TAIL_S = 14;
const RETAINED_S = WINDOW_S + SETTLE_S + MEAN_S;

export class Seconds {
  constructor() {
    this.counts = new Map();
    this.knownFromS = Infinity;
    this.knownUntilS = -Infinity;
  }

  /** Take one frame: a snapshot replaces everything, a tick its last few seconds. */
  take(frame) {
    const atS = Math.floor(Date.parse(frame.at) / 1000);
    if (frame.type === "snapshot") {
      this.counts.clear();
      this.knownFromS = Math.min(this.knownFromS, atS - WINDOW_S + 1);
    }
    for (let s = atS - TAIL_S; s <= atS; s += 1) this.counts.delete(s);
    for (const [second, counts] of Object.entries(frame.seconds)) {
      this.counts.set(Number(second), counts);
    }
    this.knownUntilS = Math.max(this.knownUntilS, atS);
    for (const s of this.counts.keys()) {
      if (s < atS - RETAINED_S) this.counts.delete(s);
    }
  }

  /**
   * Return [[ms, events a second], …] of `field` ("outbound:delivered") for the window that ends at
   * `nowS`, each point the mean of the MEAN_S seconds up to it. Silence is 0. Null, drawn as a gap, are seconds of which
   * no frame came (a lost connection), and after `sampledUntilS`, the newest sample of any node, those
   * without any event: they are not known.
   */
  series(field, nowS, sampledUntilS = Infinity) {
    const startS = Math.floor(nowS) - SETTLE_S - WINDOW_S + 1;
    const seconds = Array.from({ length: WINDOW_S }, (_, i) => startS + i);
    return seconds.map((s) => [s * 1000, this.#mean(field, s, sampledUntilS)]);
  }

  #mean(field, endS, sampledUntilS) {
    let sum = 0;
    for (let s = endS - MEAN_S + 1; s <= endS; s += 1) {
      const value = this.#value(field, s, sampledUntilS);
      if (value === null) return null;
      sum += value;
    }
    return sum / MEAN_S;
  }

  #value(field, second, sampledUntilS) {
    if (second < this.knownFromS || second > this.knownUntilS) return null;
    const counts = this.counts.get(second);
    if (counts === undefined && second > sampledUntilS) return null;
    return counts?.[field] ?? 0;
  }
}
