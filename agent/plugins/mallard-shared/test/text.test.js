'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { eventId } = require('../event_id');
const { readOptions, readTarget } = require('../options');
const { text } = require('../text');

test('event ids are those of the contract', () => {
    const contract = path.join(__dirname, '../../../../tests/contract/event_id.json');
    const { vectors, numbered_vectors } = JSON.parse(fs.readFileSync(contract, 'utf8'));
    for (const vector of [...vectors, ...numbered_vectors]) {
        const delivery = vector.queue_seq || vector.recipient;
        const id = eventId(vector.program, vector.queue_id, delivery, vector.event_type, vector.n);
        assert.equal(id, vector.event_id, vector.why);
    }
});

test('a text cut in the middle of a character is still Unicode', () => {
    const cut = text('x' + '😀'.repeat(300), 500);
    assert.equal(cut.length, 500);
    assert.equal(Buffer.from(cut, 'utf8').toString('utf8'), cut);
});

test('wrong configuration is named, and defaults are used', () => {
    const config = { batchEvents: 'many', bufferEvents: -1, socket: 7, sokcet: '/x', enabled: true };
    const { options, problems } = readOptions(config, {}, ['enabled']);
    assert.equal(options.batchEvents, 50);
    assert.equal(options.bufferEvents, 10000);
    assert.equal(options.socket, '/run/mallard-agent/receiver.sock');
    assert.deepEqual(problems, [
        'batchEvents: expected a whole number from 1 to 250; using 50',
        'bufferEvents: expected a whole number from 1 to 1000000; using 10000',
        'socket: expected printable text; using "/run/mallard-agent/receiver.sock"',
        'sokcet: unknown key, ignored'
    ]);
    for (const nothing of [undefined, null, true, 'x', []]) {
        assert.equal(readOptions(nothing).options.batchMs, 200);
    }
});

test("a url gets the door's path", () => {
    for (const url of ['https://mallard.example', 'https://mallard.example/', 'https://mallard.example/api/v1/events/ingest']) {
        assert.equal(readTarget({ url, key: 'k' }, []).url.href, 'https://mallard.example/api/v1/events/ingest');
    }
});
