'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Monitor } = require('../monitor');
const { AT, aDelivery, anEntry, hostileValues, isWireEvent } = require('./samples');

const ID = anEntry('QUEUED').id;

test('a delivered event waits for its duration, which comes after the entry', () => {
    const monitor = new Monitor();
    monitor.attempt(aDelivery(), AT - 60);
    assert.deepEqual(monitor.entry(anEntry('ACCEPTED'), AT), []);
    assert.equal(monitor.holding, true);
    const [event] = monitor.delivered(aDelivery(), { envelopeTime: 10, messageTime: 40 });
    assert.equal(event.delivery_time_ms, 50);
    assert.equal(event.total_time_ms, 3000);
    assert.equal(event.queue_time_ms, 2950);
    assert.equal(event.auth_user, 'alice');
    assert.equal(event.attempt, 1);
    assert.equal(monitor.holding, false);
});

test('a duration that never comes is waited for no longer than holdMs', () => {
    const monitor = new Monitor({ holdMs: 2000 });
    monitor.entry(anEntry('ACCEPTED'), AT);
    assert.deepEqual(monitor.expired(AT + 1999), []);
    const [event] = monitor.expired(AT + 2000);
    assert.equal(event.event_type, 'delivered');
    assert.equal('delivery_time_ms' in event, false);
    assert.deepEqual(monitor.delivered(aDelivery(), { envelopeTime: 1, messageTime: 1 }), [], 'and is then too late');
});

test('a busy process waits long enough for thousands of durations', () => {
    const monitor = new Monitor();
    const seqs = Array.from({ length: 5000 }, (_, n) => n.toString(16));
    for (const seq of seqs) {
        assert.deepEqual(monitor.entry(anEntry('ACCEPTED', { seq }), AT), []);
    }
    assert.deepEqual(monitor.expired(AT + 20000), []);
    const events = seqs.flatMap(seq => monitor.delivered(aDelivery({ seq }), { envelopeTime: 10, messageTime: 40 }));
    assert.equal(events.length, 5000);
    assert.ok(events.every(event => event.delivery_time_ms === 50));
});

const SIZE = '552 5.3.4 Error: message exceeds fixed maximum message size 1000';

test('a message refused at MAIL for its declared size is rejected, each of a session once', () => {
    const monitor = new Monitor();
    const session = { id: 'kdxn4ykfbjmc3lnc', remoteAddress: '192.0.2.1', user: 'alice', envelope: { mailFrom: false, rcptTo: [] } };
    const events = [...monitor.refused(session, SIZE, AT), ...monitor.refused(session, SIZE, AT)];
    assert.equal(new Set(events.map(event => event.event_id)).size, 2);
    events.forEach(isWireEvent);
    const { event_type, queue_id, status_code, client_ip, auth_user } = events[0];
    assert.deepEqual(
        [event_type, queue_id, status_code, client_ip, auth_user],
        ['rejected', 'kdxn4ykfbjmc3lnc', 552, '192.0.2.1', 'alice']
    );
});

test('a message refused at the end of DATA for its size is rejected for every recipient', () => {
    const monitor = new Monitor();
    const session = {
        id: 'kdxn4ykfbjmc3lnc',
        envelopeId: ID,
        remoteAddress: '192.0.2.1',
        envelope: { mailFrom: { address: 'alice@corp.example' }, rcptTo: [{ address: 'a@x.example' }, { address: 'b@y.example' }] }
    };
    const events = monitor.refused(session, '552 Error: message exceeds fixed maximum message size 1000 B (2000 B)', AT);
    events.forEach(isWireEvent);
    assert.deepEqual(
        events.map(event => [event.event_type, event.queue_id, event.from_address, event.to_address, event.status_code]),
        [
            ['rejected', ID, 'alice@corp.example', 'a@x.example', 552],
            ['rejected', ID, 'alice@corp.example', 'b@y.example', 552]
        ]
    );
});

test('other refusals of a session are no events: hooks and the log have those', () => {
    const monitor = new Monitor();
    for (const reply of ['550 no', '552 5.2.2 over quota', '250 size is fine', '', null, 552, {}]) {
        assert.deepEqual(monitor.refused({ id: 's', envelope: {} }, reply, AT), []);
    }
});

test('a duration that comes first is used by the entry', () => {
    const monitor = new Monitor();
    monitor.attempt(aDelivery(), AT - 60);
    monitor.delivered(aDelivery(), { envelopeTime: 10, messageTime: 40 });
    assert.equal(monitor.entry(anEntry('ACCEPTED'), AT)[0].delivery_time_ms, 50);
});

test('a delivery over HTTP or LMTP without times has none', () => {
    const monitor = new Monitor();
    monitor.attempt(aDelivery(), AT - 60);
    monitor.entry(anEntry('ACCEPTED'), AT);
    const [event] = monitor.delivered(aDelivery(), { response: '200 ok' });
    assert.equal('delivery_time_ms' in event, false);
    assert.equal(event.queue_time_ms, 2940, 'until the attempt was taken up');
    assert.equal(event.total_time_ms, 3000);
});

test('nothing is held once the process is about to end', () => {
    const monitor = new Monitor();
    monitor.entry(anEntry('ACCEPTED', { seq: '001' }), AT);
    assert.equal(monitor.stop().length, 1);
    assert.equal(monitor.entry(anEntry('ACCEPTED', { seq: '002' }), AT).length, 1);
});

test('what is held has a bound, and the oldest goes out first', () => {
    const monitor = new Monitor({ remembered: 1000 });
    const out = [];
    for (let n = 0; n < 1500; n++) {
        out.push(...monitor.entry(anEntry('ACCEPTED', { seq: String(n) }), AT));
    }
    assert.equal(out.length, 500);
    assert.equal(out[0].queue_seq, '0');
    assert.equal(monitor.stop().length, 1000);
});

test('the attempt counts the deferrals before it', () => {
    const monitor = new Monitor();
    const deferred = { first: AT, last: AT, count: 2, response: '451 later' };
    monitor.attempt(aDelivery({ _deferred: deferred }), AT);
    assert.equal(monitor.entry(anEntry('REJECTED'), AT)[0].attempt, 3);
    monitor.attempt(aDelivery(), AT);
    const [event] = monitor.entry(anEntry('DEFERRED', { defcount: 4 }), AT);
    assert.equal(event.attempt, 4);
});

test('mail deferred on purpose by a router is still on its first attempt', () => {
    const monitor = new Monitor();
    monitor.attempt(aDelivery({ _deferred: { count: 0, response: 'Deferred by router' } }), AT);
    assert.equal(monitor.entry(anEntry('REJECTED'), AT)[0].attempt, 1);
});

test("the queue's recipient is reported, not one that a plugin put into the envelope", () => {
    const monitor = new Monitor();
    monitor.attempt(aDelivery({ recipient: 'Bob@Good.Example' }), AT);
    const [event] = monitor.entry(anEntry('REJECTED', { to: 'bob@rewritten.example' }), AT);
    assert.equal(event.to_address, 'Bob@Good.Example');
});

test('what is deleted by an operator is known from the routing', () => {
    const monitor = new Monitor();
    const envelope = { id: ID, from: 'alice@corp.example', to: ['a@x.example', 'b@y.example'], messageId: '<m@x>', user: 'alice' };
    monitor.route(envelope, { recipient: 'a@x.example' });
    monitor.route(envelope, { recipient: 'b@y.example' });
    const [event] = monitor.entry(anEntry('DELETED', { seq: '002' }), AT);
    assert.equal(event.to_address, 'b@y.example');
    assert.equal(event.from_address, 'alice@corp.example');
    assert.equal(event.message_id, '<m@x>');
    assert.equal(event.event_type, 'dropped');
});

test('a message whose body is gone drops every recipient that is left', () => {
    const monitor = new Monitor();
    const envelope = { id: ID, to: ['a@x.example', 'b@y.example', 'c@z.example'] };
    envelope.to.forEach(recipient => monitor.route(envelope, { recipient }));
    monitor.release({ name: 'default' }, { id: ID, seq: '001', to: 'a@x.example', status: { delivered: true } }, AT);
    const events = monitor.entry(anEntry('DELETED', { seq: undefined }), AT);
    assert.deepEqual(events.map(event => event.to_address), ['b@y.example', 'c@z.example']);
    assert.equal(monitor.routed.size, 0);
    assert.equal(monitor.routedCount, 0);
});

test('of two recipients with one address the deleted one is named by its sequence', () => {
    const monitor = new Monitor();
    const envelope = { id: ID, to: ['a@x.example', 'A@x.example'] };
    envelope.to.forEach(recipient => monitor.route(envelope, { recipient }));
    const events = monitor.entry(anEntry('DELETED', { seq: undefined }), AT);
    assert.deepEqual(events.map(event => [event.queue_seq, event.to_address]), [['001', 'a@x.example'], ['002', 'A@x.example']]);
    assert.notEqual(events[0].event_id, events[1].event_id);
});

test('a deletion has the same id where ZoneMTA routed the mail before its restart', () => {
    const routed = new Monitor();
    routed.route({ id: ID, to: ['a@x.example'] }, { recipient: 'a@x.example' });
    const [named] = routed.entry(anEntry('DELETED', { seq: '001' }), AT);
    const [unnamed] = new Monitor().entry(anEntry('DELETED', { seq: '001' }), AT);
    assert.equal(unnamed.event_id, named.event_id);
    assert.equal('to_address' in unnamed, false);
});

test('a delivery that a plugin suppressed leaves the queue without a status, and is dropped', () => {
    const monitor = new Monitor();
    const data = { id: ID, seq: '001', to: 'a@x.example', domain: 'x.example' };
    const [event] = monitor.release({ name: 'default' }, data, AT);
    assert.equal(event.event_type, 'dropped');
    assert.equal(event.to_address, 'a@x.example');
    assert.equal(event.zone, 'default');
    assert.deepEqual(monitor.release({ name: 'default' }, { ...data, status: { delivered: false } }, AT), []);
});

test('a sequence is never given to a recipient whose number is not certain', () => {
    const monitor = new Monitor();
    const envelope = { id: ID, to: ['a@x.example', 'b@y.example'] };
    monitor.route(envelope, { recipient: 'b@y.example' }); // loaded in the middle of a message
    assert.equal('to_address' in monitor.entry(anEntry('DELETED', { seq: '001' }), AT)[0], false);
});

test('memory has a bound, whatever ZoneMTA forgets to finish', () => {
    const monitor = new Monitor({ remembered: 100 });
    for (let n = 0; n < 1000; n++) {
        monitor.attempt(aDelivery({ id: 'attempt' + n }), AT);
        monitor.route({ id: 'route' + n, to: 'a@x.example' }, { recipient: 'a@x.example' });
    }
    const large = { id: 'large', to: Array.from({ length: 5000 }, (_, n) => n + '@x.example') };
    large.to.forEach(recipient => monitor.route(large, { recipient }));
    assert.equal(monitor.attempts.map.size, 100);
    assert.ok(monitor.routedCount <= 100);
    const seqs = [...(monitor.routed.get('large')?.recipients.keys() || [])];
    seqs.forEach(seq => assert.equal(monitor.routed.get('large').recipients.get(seq), parseInt(seq, 16) - 1 + '@x.example'));
});

test('whatever a hook is called with, only events come out', () => {
    const monitor = new Monitor();
    for (const value of hostileValues()) {
        for (const field of ['id', 'seq', 'recipient', 'created', 'user', '_deferred', 'to', 'status']) {
            const delivery = { ...aDelivery(), [field]: value };
            for (const call of [
                () => monitor.attempt(delivery, AT),
                () => monitor.delivered(delivery, { envelopeTime: value, messageTime: value }),
                () => monitor.route(delivery, { recipient: value }),
                () => monitor.route(delivery, delivery),
                () => monitor.release({ name: value }, delivery, AT),
                () => monitor.entry(anEntry('ACCEPTED', { [field]: value }), AT),
                () => monitor.entry(anEntry('DELETED', { [field]: value }), AT)
            ]) {
                try {
                    (call() || []).forEach(event => JSON.stringify(event));
                } catch (error) {
                    // index.js catches: what is left here are values that throw when looked at
                    assert.match(error.message, /made to throw|Symbol|BigInt|primitive/);
                }
            }
        }
    }
});
