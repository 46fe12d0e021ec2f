'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Counters } = require('../counters');

const process = { uptime: () => 12.9, memoryUsage: { rss: () => 1234 } };

test('connections are counted when they begin, and end once', () => {
    const counters = new Counters({ haraka_require: () => ({ version: '3.3.4' }) }, process);
    const [first, second] = [{}, {}];
    counters.connected(first);
    counters.connected(first);
    counters.connected(second);
    counters.disconnected(first);
    counters.disconnected(first);
    counters.disconnected({}); // its start was never seen: its first line had no address
    counters.disconnected(undefined);
    const { connections_total, connections_current_count, version, uptime_s, memory_rss_bytes } = counters.readings();
    assert.deepEqual([connections_total, connections_current_count], [2, 1]);
    assert.deepEqual([version, uptime_s, memory_rss_bytes], ['3.3.4', 12, 1234]);
});

test('recipients are counted by what became of them, once', () => {
    const counters = new Counters({}, process);
    const event = (event_type, more) => ({ event_type, direction: 'inbound', to_address: 'a@x.example', ...more });
    counters.transaction([event('received'), event('delivered'), event('received'), event('greylisted')]);
    counters.transaction([event('rejected', { to_address: undefined })]);
    counters.transaction([event('delivered', { direction: 'outbound' })]);
    const { version, uptime_s, memory_rss_bytes, ...counted } = counters.readings();
    assert.equal(version, null);
    assert.deepEqual(counted, {
        connections_total: 0,
        connections_current_count: 0,
        transactions_total: 3,
        recipients_delivered_total: 1,
        recipients_rejected_total: 0,
        recipients_greylisted_total: 1,
        recipients_deferred_total: 0
    });
});
