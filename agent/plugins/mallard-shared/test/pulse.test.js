'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Pulse } = require('../pulse');
const { Sender } = require('../sender');
const { aReceiver, aSocketPath, aStrangeListener, until } = require('./receiver');

function aPulse(t, target, { everyMs = 5, timeoutMs = 1000, readings, log = () => {} } = {}) {
    const label = 'sender/default/77';
    const name = 'test-monitor';
    const numbers = { batchEvents: 50, batchMs: 1, bufferEvents: 100, tries: 3, backoffMs: 5, timeoutMs, patienceMs: 60000 };
    const sender = new Sender({ target, name, label, log, ...numbers });
    const pulse = new Pulse({ sender, name, label, everyMs, readings });
    t.after(() => {
        pulse.stop();
        sender.clearTimer();
        sender.agent.destroy();
    });
    return pulse;
}

test('a process reports its drops and its counters, again and again', async t => {
    const socketPath = aSocketPath(t);
    const receiver = await aReceiver(t, socketPath);
    const pulse = aPulse(t, { socketPath }, { readings: () => ({ haraka: { connections_total: 3 } }) });
    pulse.sender.drop(2, 'buffer full');
    await until(() => pulse.acceptedCount >= 2, 'sent twice');
    assert.equal(receiver.requests[0].path, '/v1/readings');
    assert.deepEqual(receiver.requests[1].events, {
        plugin: 'test-monitor',
        process: 'sender/default/77',
        dropped_total: 2,
        accepted_total: 0,
        waiting_count: 0,
        haraka: { connections_total: 3 }
    });
});

test('events and readings share one connection, and none of either is lost', async t => {
    const socketPath = aSocketPath(t);
    const receiver = await aReceiver(t, socketPath);
    let connections = 0;
    receiver.server.on('connection', () => connections++);
    const pulse = aPulse(t, { socketPath });
    for (let n = 0; n < 200; n++) {
        pulse.sender.add([{ n }]);
        if (n % 20 === 0) {
            await until(() => pulse.sender.waiting === 0, 'sent');
        }
    }
    await until(() => pulse.sender.accepted === 200 && pulse.acceptedCount >= 3, 'all taken');
    assert.equal(connections, 1);
});

test('an agent that hangs holds one request, which ends by its deadline', async t => {
    const socketPath = aSocketPath(t);
    const hanging = await aStrangeListener(t, socketPath);
    const pulse = aPulse(t, { socketPath }, { timeoutMs: 50 });
    await until(() => hanging.connections() >= 3, 'tried again after the deadline');
    assert.equal(pulse.acceptedCount, 0);
});

for (const [why, status] of [
    ['an agent from before readings', 404],
    ['an agent that cannot write', 503]
]) {
    test(`${why} costs no event`, async t => {
        const socketPath = aSocketPath(t);
        await aReceiver(t, socketPath, ({ path }) => (path === '/v1/readings' ? [status, {}] : [202]));
        const pulse = aPulse(t, { socketPath });
        pulse.sender.add([{ n: 1 }]);
        await until(() => pulse.sender.accepted === 1, 'taken');
        assert.equal(pulse.sender.droppedCount, 0);
    });
}

test('readings that cannot be built are logged once and end nothing', async t => {
    const socketPath = aSocketPath(t);
    await aReceiver(t, socketPath);
    const lines = [];
    let attempts = 0;
    const readings = () => {
        attempts++;
        throw new Error('no memory to measure');
    };
    aPulse(t, { socketPath }, { readings, log: (level, message) => lines.push(level + ': ' + message) });
    await until(() => attempts >= 3, 'tried again');
    assert.deepEqual(lines, ['error: readings could not be sent: no memory to measure']);
});

test('no agent, no readings: with a server, or when disabled', t => {
    const url = new URL('https://mallard.example/api/v1/events/ingest');
    assert.equal(aPulse(t, { url, key: 'k' }).timer, null);
    assert.equal(aPulse(t, { socketPath: '/x' }, { everyMs: 0 }).timer, null);
    assert.notEqual(aPulse(t, { url: new URL('http://127.0.0.1:2580/v1/events'), key: 'k' }).timer, null);
});
