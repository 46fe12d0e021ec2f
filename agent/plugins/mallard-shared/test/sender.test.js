'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { test } = require('node:test');

const { Sender } = require('../sender');
const { aReceiver, aSocketPath, aStrangeListener, until } = require('./receiver');

function aSender(t, socketPath, changes) {
    const lines = [];
    const sender = new Sender({
        target: { socketPath },
        name: 'test-monitor',
        label: 'sender/default/77',
        batchEvents: 50,
        batchMs: 5,
        bufferEvents: 10000,
        tries: 3,
        backoffMs: 5,
        timeoutMs: 1000,
        patienceMs: 60000,
        log: (level, message) => lines.push(`${level}: ${message}`),
        ...changes
    });
    t.after(() => {
        sender.clearTimer();
        sender.agent.destroy();
    });
    return Object.assign(sender, { lines });
}

const numbered = (count, from = 0) => Array.from({ length: count }, (_, n) => ({ n: n + from }));
const numbers = events => events.map(event => event.n);

test('events leave in batches, in order, each once', async t => {
    const path = aSocketPath(t);
    const receiver = await aReceiver(t, path);
    const sender = aSender(t, path);
    sender.add(numbered(120));
    await until(() => sender.accepted === 120, 'all accepted');
    assert.deepEqual(receiver.requests.map(request => request.events.length), [50, 50, 20]);
    assert.deepEqual(numbers(receiver.events()), numbers(numbered(120)));
    const { method, path: url, headers } = receiver.requests[0];
    assert.deepEqual([method, url], ['POST', '/v1/events']);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['x-mallard-process'], 'sender/default/77');
    assert.equal(headers['x-mallard-dropped'], '0');
    assert.equal(sender.waiting, 0);
});

test('a few events wait no longer than batchMs', async t => {
    const path = aSocketPath(t);
    const receiver = await aReceiver(t, path);
    const sender = aSender(t, path, { batchMs: 10 });
    sender.add(numbered(3));
    assert.equal(receiver.requests.length, 0);
    await until(() => sender.accepted === 3, 'accepted');
    assert.equal(receiver.requests.length, 1);
});

test('one connection is used again', async t => {
    const path = aSocketPath(t);
    const receiver = await aReceiver(t, path);
    let connections = 0;
    receiver.server.on('connection', () => connections++);
    const sender = aSender(t, path);
    for (let n = 0; n < 5; n++) {
        sender.add(numbered(1, n));
        await until(() => sender.accepted === n + 1, 'accepted');
    }
    assert.equal(connections, 1);
});

test('a connection that the receiver closed while idle costs nothing', async t => {
    const path = aSocketPath(t);
    const receiver = await aReceiver(t, path);
    const sender = aSender(t, path);
    sender.add(numbered(1));
    await until(() => sender.accepted === 1, 'accepted');
    receiver.server.closeIdleConnections();
    sender.add(numbered(1, 1));
    await until(() => sender.accepted === 2, 'accepted');
    assert.deepEqual(numbers(receiver.events()), [0, 1]);
    assert.equal(sender.droppedCount, 0);
});

test('unreachable: everything is buffered, and sent when a receiver comes', async t => {
    const path = aSocketPath(t);
    const sender = aSender(t, path);
    sender.add(numbered(60));
    await until(() => sender.failures >= 5, 'more failures than tries');
    assert.equal(sender.waiting, 60);
    assert.match(sender.lines[0], /^error: .*ENOENT; 60 event\(s\) buffered, mail goes on$/);
    assert.equal(sender.lines.length, 1, 'logged once, not at every try');
    const receiver = await aReceiver(t, path);
    await until(() => sender.accepted === 60, 'accepted');
    assert.deepEqual(numbers(receiver.events()), numbers(numbered(60)));
    assert.equal(sender.droppedCount, 0);
});

test('the folder of the socket need not exist', async t => {
    const sender = aSender(t, aSocketPath(t) + '/no/such/receiver.sock');
    sender.add(numbered(1));
    await until(() => sender.failures > 1, 'two failures');
    assert.equal(sender.waiting, 1);
});

test('the buffer is bounded: the oldest go, counted and reported', async t => {
    const path = aSocketPath(t);
    const sender = aSender(t, path, { bufferEvents: 100, batchEvents: 10 });
    sender.add(numbered(10));
    await until(() => sender.failures > 0, 'first batch waits to be sent again');
    for (let n = 10; n < 100010; n += 100) {
        sender.add(numbered(100, n));
    }
    assert.equal(sender.waiting, 100);
    assert.deepEqual(sender.dropped, { 'buffer full': 99910 });
    assert.ok(sender.buffer.items.length <= 2200, 'memory is given back');
    const receiver = await aReceiver(t, path);
    await until(() => sender.accepted === 100, 'accepted');
    assert.deepEqual(numbers(receiver.events()), [...numbers(numbered(10)), ...numbers(numbered(90, 99920))]);
    assert.equal(receiver.requests.at(-1).headers['x-mallard-dropped'], '99910');
});

test('a hanging receiver: kept and sent again, then dropped when patience ends', async t => {
    const path = aSocketPath(t);
    const listener = await aStrangeListener(t, path);
    const sender = aSender(t, path, { timeoutMs: 10, patienceMs: 60 });
    sender.add(numbered(7));
    await until(() => sender.droppedCount === 7, 'dropped');
    assert.deepEqual(sender.dropped, { 'no response within 10 ms': 7 });
    assert.ok(listener.connections() > 1, 'it was tried again');
    await listener.close();
    const receiver = await aReceiver(t, path);
    sender.add(numbered(1, 7));
    await until(() => sender.accepted === 1, 'the next event goes its way');
    assert.equal(receiver.requests[0].headers['x-mallard-dropped'], '7');
});

test('a batch under way when the receiver dies is sent again', async t => {
    const path = aSocketPath(t);
    const first = await aReceiver(t, path, () => null);
    const sender = aSender(t, path, { timeoutMs: 5000 });
    sender.add(numbered(3));
    await until(() => first.requests.length === 1, 'under way');
    await first.close();
    await until(() => sender.failures > 0, 'failed');
    const second = await aReceiver(t, path);
    await until(() => sender.accepted === 3, 'accepted');
    assert.deepEqual(numbers(second.events()), [0, 1, 2]);
});

for (const [name, garbage] of [
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a broken header', 'HTTP/1.1 202 Accepted\r\nContent-Length: many\r\n\r\n'],
    ['an answer that ends early', 'HTTP/1.1 200'],
    ['another status', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'],
    ['binary', Buffer.from([0, 255, 0, 255, 13, 10])]
]) {
    test(`garbage (${name}) is tried again, then dropped and counted`, async t => {
        const path = aSocketPath(t);
        await aStrangeListener(t, path, socket => socket.once('data', () => socket.end(garbage)));
        const sender = aSender(t, path, { patienceMs: 30 });
        sender.add(numbered(2));
        await until(() => sender.droppedCount === 2, 'dropped');
        assert.equal(sender.waiting, 0);
    });
}

test('429 and 503 are waited for as long as it takes, and Retry-After is heeded', async t => {
    const path = aSocketPath(t);
    const answers = [[429], [503], [503], [503], [503, {}, { 'Retry-After': '0.01' }], [202]];
    const receiver = await aReceiver(t, path, (_, count) => answers[count - 1] || [202]);
    const sender = aSender(t, path);
    sender.add(numbered(2));
    await until(() => sender.accepted === 2, 'accepted');
    assert.equal(receiver.requests.length, 6);
    assert.equal(sender.droppedCount, 0);
});

test('another server error is tried three times', async t => {
    const path = aSocketPath(t);
    const receiver = await aReceiver(t, path, ({ events }) => [events[0].n === 0 ? 500 : 202]);
    const sender = aSender(t, path, { batchEvents: 2 });
    sender.add(numbered(4));
    await until(() => sender.accepted === 2, 'the next batch is accepted');
    assert.equal(receiver.requests.length, 4);
    assert.deepEqual(sender.dropped, { 'response 500': 2 });
});

test('a batch that is refused is dropped at once, and the next goes on', async t => {
    const path = aSocketPath(t);
    const receiver = await aReceiver(t, path, (_, count) => [[400, 413, 401][count - 1] || 202]);
    const sender = aSender(t, path, { batchEvents: 1 });
    sender.add(numbered(4));
    await until(() => sender.accepted === 1, 'the last is accepted');
    assert.deepEqual(sender.dropped, { 'response 400': 1, 'response 413': 1, 'response 401': 1 });
    assert.equal(receiver.requests.at(-1).headers['x-mallard-dropped'], '3');
});

test('single events that are refused are counted, with the first reason', async t => {
    const path = aSocketPath(t);
    await aReceiver(t, path, () => [202, { queued: 1, rejected: [{ index: 1, error: 'occurred_at: odd\r\nfake line' }] }]);
    const sender = aSender(t, path);
    sender.add(numbered(2));
    await until(() => sender.accepted === 1, 'accepted');
    assert.equal(sender.refused, 1);
    assert.equal(sender.droppedCount, 0);
    assert.deepEqual(sender.lines, ['error: 1 event(s) refused: occurred_at: odd fake line']);
});

test('a 202 whose body never ends is a 202', async t => {
    const path = aSocketPath(t);
    let batches = 0;
    await aStrangeListener(t, path, socket =>
        socket.on('data', data => {
            batches += data.includes('POST ') ? 1 : 0;
            socket.write('HTTP/1.1 202 Accepted\r\nContent-Length: 1000000\r\n\r\n{"queued"');
        })
    );
    const sender = aSender(t, path);
    sender.add(numbered(2));
    await until(() => sender.accepted === 2, 'accepted');
    assert.equal(batches, 1);
});

test('an answer of many megabytes is not read', async t => {
    const path = aSocketPath(t);
    await aStrangeListener(t, path, socket =>
        socket.once('data', () => {
            socket.write('HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n');
            const chunk = 'x'.repeat(65536);
            const more = () => socket.destroyed || socket.write(`10000\r\n${chunk}\r\n`, () => setImmediate(more));
            more();
        })
    );
    const sender = aSender(t, path);
    sender.add(numbered(1));
    await until(() => sender.accepted === 1, 'accepted');
});

test("straight to the server: the ingest endpoint's path, the key, https or http", async t => {
    const seen = [];
    const server = http.createServer((request, response) => {
        seen.push([request.url, request.headers.authorization, request.headers.host]);
        request.resume().on('end', () => response.writeHead(202).end('{}'));
    });
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
        server.closeAllConnections();
        server.close();
    });
    const url = new URL(`http://127.0.0.1:${server.address().port}/api/v1/events/ingest`);
    const sender = aSender(t, '', { target: { url, key: 'secret' } });
    sender.add(numbered(1));
    await until(() => sender.accepted === 1, 'accepted');
    assert.deepEqual(seen, [['/api/v1/events/ingest', 'Bearer secret', url.host]]);
    assert.equal(sender.where.includes('secret'), false);
});

test('a server that does not exist is unreachable', async t => {
    const sender = aSender(t, '', { target: { url: new URL('https://127.0.0.1:1/x'), key: 'k' } });
    sender.add(numbered(1));
    await until(() => sender.failures > 3, 'failures');
    assert.equal(sender.waiting, 1);
});

test('draining does not linger', async t => {
    const path = aSocketPath(t);
    await aReceiver(t, path);
    const sender = aSender(t, path, { batchMs: 60000 });
    sender.add(numbered(2));
    sender.drain();
    await until(() => sender.accepted === 2, 'accepted');
    sender.add(numbered(2));
    await until(() => sender.accepted === 4, 'accepted');
});

test('the last write goes into the connection that is open', async t => {
    const path = aSocketPath(t);
    const receiver = await aReceiver(t, path);
    const sender = aSender(t, path, { batchMs: 5 });
    sender.add(numbered(1));
    await until(() => sender.accepted === 1, 'accepted');
    sender.add(numbered(3, 1));
    assert.equal(sender.lastWrite(), 0);
    await until(() => receiver.events().length === 4, 'received');
    assert.deepEqual(numbers(receiver.events()), [0, 1, 2, 3]);
});

test('the last write returns the number of unsaved events', async t => {
    const sender = aSender(t, aSocketPath(t));
    sender.add(numbered(3));
    assert.equal(sender.lastWrite(), 3);
});
