import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { backoffMs, LiveSocket, socketUrl } from "../live/socket.js";

class FakeSocket {
  sent = [];
  closed = false;
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.closed = true;
  }
  hears(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }
}

let sockets, frames, states, nowMs, live;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  [sockets, frames, states, nowMs] = [[], [], [], 0];
  live = new LiveSocket({
    url: "ws://server.example/ws/live/",
    onFrame: (frame) => frames.push(frame.tick),
    onState: (state) => states.push(state),
    open: () => {
      sockets.push(new FakeSocket());
      return sockets.at(-1);
    },
    nowMs: () => nowMs,
    random: () => 1,
  });
});

const pass = (ms) => {
  nowMs += ms;
  mock.timers.tick(ms);
};
const snapshot = (tick) => ({ type: "snapshot", tick });
const tick = (number) => ({ type: "tick", tick: number });

test("it is live from the first snapshot on", () => {
  live.start();
  assert.deepEqual(states, ["connecting"]);

  sockets[0].hears(snapshot(7));

  assert.deepEqual(states, ["connecting", "live"]);
  assert.deepEqual(frames, [7]);
});

test("a tick before the snapshot, and one that is already in it, are left out", () => {
  live.start();
  sockets[0].hears(tick(6));
  sockets[0].hears(snapshot(7));
  sockets[0].hears(tick(7));
  sockets[0].hears(tick(8));

  assert.deepEqual(frames, [7, 8]);
});

test("a missed tick makes it ask for everything, once", () => {
  live.start();
  sockets[0].hears(snapshot(1));
  sockets[0].hears(tick(2));
  assert.deepEqual(sockets[0].sent, []);

  sockets[0].hears(tick(4));
  sockets[0].hears(tick(6));
  assert.deepEqual(sockets[0].sent, [{ type: "snapshot" }]);

  sockets[0].hears(snapshot(6));
  sockets[0].hears(tick(9));
  assert.equal(sockets[0].sent.length, 2);
});

test("now and then it asks for everything unasked, so that late counts are seen", () => {
  live.start();
  sockets[0].hears(snapshot(1));
  for (let n = 2; n < 63; n += 1) {
    pass(1_000);
    sockets[0].hears(tick(n));
  }

  assert.equal(sockets[0].sent.length, 1);
});

test("a closed connection is lost and opened again", () => {
  live.start();
  sockets[0].hears(snapshot(1));

  sockets[0].onclose({ code: 1006 });
  assert.equal(live.state, "lost");
  assert.equal(sockets.length, 1);

  pass(500);
  assert.equal(sockets.length, 2);
  sockets[1].hears(snapshot(1));
  assert.equal(live.state, "live");
});

test("a connection that says nothing is lost too", () => {
  live.start();
  sockets[0].hears(snapshot(1));

  pass(4_999);
  assert.equal(live.state, "live");
  pass(1);

  assert.equal(live.state, "lost");
  assert.ok(sockets[0].closed);
});

test("what a dropped socket still says is not heard", () => {
  live.start();
  sockets[0].hears(snapshot(1));
  pass(5_000);

  sockets[0].hears(tick(2));
  sockets[0].onclose({ code: 1006 });

  assert.deepEqual(frames, [1]);
  assert.equal(live.attempt, 1);
});

test("the waits grow, and begin small again after a success", () => {
  live.start();
  for (const wait of [500, 1_000, 2_000]) {
    const before = sockets.length;
    sockets.at(-1).onclose({ code: 1006 });
    pass(wait - 1);
    assert.equal(sockets.length, before);
    pass(1);
    assert.equal(sockets.length, before + 1);
  }
  sockets.at(-1).hears(snapshot(1));
  sockets.at(-1).onclose({ code: 1006 });
  pass(500);
  assert.equal(sockets.length, 5);
});

test("the wait has a ceiling and some chance in it", () => {
  assert.equal(backoffMs(50, 1), 15_000);
  assert.equal(backoffMs(50, 0), 7_500);
});

test("a reader whose session ended is told so, and no connection is tried again", () => {
  live.start();
  sockets[0].onclose({ code: 4401 });

  assert.equal(live.state, "loggedout");
  pass(60_000);
  assert.equal(sockets.length, 1);
});

test("a hidden page closes its socket and opens one when it is seen again", () => {
  live.start();
  sockets[0].hears(snapshot(1));

  live.pause();
  assert.ok(sockets[0].closed);
  pass(60_000);
  assert.equal(sockets.length, 1);

  live.start();
  assert.equal(sockets.length, 2);
  assert.equal(live.state, "connecting");
});

test("silence is counted from the last frame", () => {
  live.start();
  sockets[0].hears(snapshot(1));
  pass(3_000);

  assert.equal(live.silentMs(), 3_000);
});

test("the socket is this site's own unless another is configured", () => {
  const https = { protocol: "https:", host: "mallard.example" };

  assert.equal(socketUrl("", https), "wss://mallard.example/ws/live/");
  assert.equal(socketUrl("", { protocol: "http:", host: "h:8000" }), "ws://h:8000/ws/live/");
  assert.equal(socketUrl("wss://live.example/x/", https), "wss://live.example/x/");
});
