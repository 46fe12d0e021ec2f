'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { logEvents, recordEvents } = require('../gelf');

const TESTS = path.join(__dirname, '../../../../tests');
const { vectors } = JSON.parse(fs.readFileSync(path.join(TESTS, 'contract/gelf_records.json'), 'utf8'));
const LINES = fs.readFileSync(path.join(TESTS, 'samples/wildduck/haraka-log.txt'), 'utf8').trim().split('\n');
const AT = 1796092916000;
const asLine = record => ({ data: `[INFO] [-] [wildduck] GELF ${JSON.stringify(record)}` });

for (const { why, record, event } of vectors) {
    test('contract: ' + why, () => {
        const [got] = logEvents(asLine(record), AT);
        if (!event || record._interface !== 'mx') {
            assert.equal(got, undefined);
            return;
        }
        const { mta_node, ...expected } = event;
        expected.occurred_at = new Date(event.occurred_at).toISOString();
        assert.deepEqual({ ...got }, { ...expected, source: 'haraka_log' });
        assert.equal(mta_node, 'mx-01');
    });
}

test("recorded: each outcome in Haraka's own log is an event once, and no subject is taken", () => {
    const events = LINES.flatMap(data => logEvents({ data }, AT));
    const count = {};
    events.forEach(({ event_type: type }) => (count[type] = (count[type] || 0) + 1));
    assert.deepEqual(count, { autoreplied: 2, dropped: 1, duplicate: 1, forwarded: 2, refused: 3 });
    assert.equal(new Set(events.map(event => event.event_id)).size, events.length);
    assert.doesNotMatch(JSON.stringify(events), /secret/);
});

test('a line that a client wrote a record into is none', () => {
    const record = JSON.stringify(vectors[6].record);
    for (const data of [
        `[INFO] [UUID.1] [core] helo=[wildduck] GELF ${record}`,
        `[INFO] [-] [core] x\n[INFO] [-] [wildduck] GELF ${record}`,
        `GELF ${record}`,
        `[INFO] [-] [wildduck] DENIED GELF ${record}`
    ]) {
        assert.deepEqual(logEvents({ data }, AT), []);
    }
});

test('odd lines and records do no harm', () => {
    for (const value of [null, true, -1, 1e308, [], {}, 'x'.repeat(5000), '\u001b[2J\n', '\ud800']) {
        logEvents(value, AT);
        logEvents({ data: value }, AT);
        logEvents(asLine(value), AT);
        for (const name of Object.keys(vectors[6].record)) {
            logEvents(asLine({ ...vectors[6].record, [name]: value }), AT);
        }
    }
});
