// The server's clock as far as a browser can know it. Ages on the pages are differences of server
// times; a reader's wrong clock must not make fresh numbers look old.

/** Follows the times that frames carry and counts on with the browser's monotonic clock. */
export class ServerClock {
  constructor(monotonicMs = () => performance.now()) {
    this.monotonicMs = monotonicMs;
    this.offsetMs = -Infinity;
  }

  /** Learn from a server time (RFC 3339). Frames travel late, never early: the latest guess wins. */
  learn(at) {
    this.offsetMs = Math.max(this.offsetMs, Date.parse(at) - this.monotonicMs());
  }

  nowMs() {
    return this.monotonicMs() + this.offsetMs;
  }
}
