// The socket of the live pages: opens it, notices when it falls silent, opens it again.

/** The server's close code for a reader whose session ended. */
const NOT_LOGGED_IN = 4401;
/** The pump ticks at least once a second; after this long without a frame the connection is lost. */
const SILENT_AFTER_MS = 5_000;
/** Late counts of older seconds are not in the ticks: a snapshot now and then mends them. */
const SNAPSHOT_EVERY_MS = 60_000;
/** `readyState` of a WebSocket whose handshake is under way. */
const CONNECTING = 0;
const MIN_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 15_000;

/** Wait before attempt `attempt` (0, 1, …): doubling, capped, the upper half of it random. */
export function backoffMs(attempt, random) {
  const ceiling = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** attempt);
  return ceiling / 2 + (ceiling / 2) * random;
}

/**
 * One live connection. `onFrame(frame)` gets every frame in order; `onState()` is called when
 * `state` changed: connecting · live · lost · loggedout · paused.
 */
export class LiveSocket {
  constructor({ url, onFrame, onState, open = (to) => new WebSocket(to), timers = globalThis,
    nowMs = () => performance.now(), random = Math.random }) {
    Object.assign(this, { url, onFrame, onState, open, timers, nowMs, random });
    this.state = "paused";
    this.frameAtMs = null;
    this.attempt = 0;
    this.socket = null;
    this.timer = null;
  }

  /** Connect, at once. Also ends a wait between two attempts. */
  start() {
    this.#drop();
    this.startedAtMs ??= this.nowMs();
    if (this.state !== "lost") this.#enter("connecting");
    this.#open();
  }

  /** Close without wishing to reconnect: nobody looks. */
  pause() {
    this.#drop();
    this.#enter("paused");
  }

  /** Request everything again, unless that is on its way. */
  requestSnapshot() {
    if (this.state !== "live" || this.snapshotRequested) return;
    this.snapshotRequested = true;
    this.socket.send(JSON.stringify({ type: "snapshot" }));
  }

  /** Milliseconds since the last frame; before the first one, since the start. */
  silentMs() {
    return this.nowMs() - (this.frameAtMs ?? this.startedAtMs ?? this.nowMs());
  }

  #open() {
    this.tick = null;
    this.snapshotRequested = false;
    const socket = this.open(this.url);
    this.socket = socket;
    socket.onmessage = (message) => socket === this.socket && this.#take(JSON.parse(message.data));
    socket.onclose = (event) => socket === this.socket && this.#closed(event.code);
    this.#watch();
  }

  #take(frame) {
    this.frameAtMs = this.nowMs();
    this.#watch();
    if (frame.type === "snapshot") {
      this.snapshotRequested = false;
      this.attempt = 0;
      this.snapshotAtMs = this.nowMs();
    } else if (this.tick === null || frame.tick <= this.tick) {
      return; // before the snapshot, or already in it
    }
    const missed = this.tick !== null && frame.tick > this.tick + 1;
    this.tick = frame.tick;
    this.#enter("live");
    this.onFrame(frame);
    if (missed || this.nowMs() - this.snapshotAtMs > SNAPSHOT_EVERY_MS) this.requestSnapshot();
  }

  #watch() {
    this.timers.clearTimeout(this.timer);
    this.timer = this.timers.setTimeout(() => this.#closed(null), SILENT_AFTER_MS);
  }

  #closed(code) {
    this.#drop();
    if (code === NOT_LOGGED_IN) {
      this.#enter("loggedout");
      return;
    }
    this.#enter("lost");
    const wait = backoffMs(this.attempt, this.random());
    this.attempt += 1;
    this.timer = this.timers.setTimeout(() => this.#open(), wait);
  }

  #drop() {
    this.timers.clearTimeout(this.timer);
    const { socket } = this;
    this.socket = null;
    // Closed before it is open, a socket is an error in the browser's console.
    if (socket?.readyState === CONNECTING) socket.onopen = () => socket.close();
    else socket?.close();
  }

  #enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state);
  }
}

/** Where the socket is: as configured, else this site's own. */
export function socketUrl(configured, location) {
  if (configured) return configured;
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws/live/`;
}
