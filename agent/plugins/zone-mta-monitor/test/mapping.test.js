'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { splitRecipients, toEvents } = require('../mapping');
const { eventId } = require('../../mallard-shared/event_id');
const { Monitor } = require('../monitor');
const { anEntry, hostileValues, AT, isWireEvent } = require('./samples');

const contract = name => JSON.parse(fs.readFileSync(path.join(__dirname, '../../../../tests/contract', name), 'utf8'));

for (const { why, calls, events } of contract('zonemta_log_entries.json').cases) {
    test('recorded: ' + why, () => {
        const monitor = new Monitor();
        const before = structuredClone(calls);
        const got = [];
        for (const { at, hook, args } of calls) {
            const now = Date.parse(at);
            const handlers = {
                'log:entry': () => monitor.entry(args[0], now),
                'sender:fetch': () => monitor.attempt(args[0], now),
                'sender:responseError': () => monitor.attempt(args[0]),
                'sender:delivered': () => monitor.delivered(args[0], args[1])
            };
            got.push(...(handlers[hook]() || []));
        }
        got.push(...monitor.expired());
        assert.deepEqual(got, events);
        got.forEach(event => isWireEvent(event));
        assert.deepEqual(calls, before, 'ZoneMTA shares these objects with other plugins');
        assert.doesNotMatch(JSON.stringify(got), /Test ünï|Delivery Status Notification|subject/, 'the subject is never taken');
    });
}

test('recipients are cut at commas, but not inside a quoted local part', () => {
    assert.deepEqual(splitRecipients('a@x.example,b@y.example'), ['a@x.example', 'b@y.example']);
    assert.deepEqual(splitRecipients('"a,b"@x.example,c@y.example'), ['"a,b"@x.example', 'c@y.example']);
    assert.deepEqual(splitRecipients('"a@b,c"@x.example,d@y.example'), ['"a@b,c"@x.example', 'd@y.example']);
    assert.deepEqual(splitRecipients('"a\\",b"@x.example,c@y.example'), ['"a\\",b"@x.example', 'c@y.example']);
    assert.deepEqual(splitRecipients('a,b@x.example,c@y.example'), ['a,b@x.example', 'c@y.example']);
});

test('a quote that is never closed swallows no recipient', () => {
    assert.deepEqual(splitRecipients('"a@x.example,b@y.example'), ['"a@x.example', 'b@y.example']);
    assert.deepEqual(splitRecipients('a"b@x.example,c@y.example'), ['a"b@x.example', 'c@y.example']);
});

test('a recipient named twice is one event, as its id is one', () => {
    assert.deepEqual(splitRecipients('a@x.example,A@X.example'), ['A@X.example']);
    assert.deepEqual(splitRecipients('<>'), []);
    assert.deepEqual(splitRecipients(''), []);
    assert.deepEqual(splitRecipients('postmaster'), ['postmaster']);
});

test('a hostile reply is cut and loses its control characters', () => {
    const response = '550 5.1.1 no\r\ninfo Queue fake line\u001b[31m\u0000\u2028' + 'x'.repeat(100000);
    const [event] = toEvents(anEntry('REJECTED', { response }), AT);
    assert.equal(event.status_message.length, 500);
    assert.equal(event.bounce_message.length, 500);
    assert.doesNotMatch(event.status_message, /[\u0000-\u001f\u007f-\u009f\u2028]/);
    assert.equal(event.status_code, 550);
    assert.equal(event.bounce_type, 'hard');
});

test('only a reply that begins with a code has one', () => {
    const code = response => toEvents(anEntry('REJECTED', { response }), AT)[0].status_code;
    assert.equal(code('550 no'), 550);
    assert.equal(code('452-4.2.2 no'), 452);
    assert.equal(code('5501 no'), undefined);
    assert.equal(code('Connection closed 550'), undefined);
    assert.equal(code('150 odd'), undefined);
    assert.equal(code('650 odd'), undefined);
});

test('addresses of both families go where they belong, and nothing else is taken for one', () => {
    const of = ip => toEvents(anEntry('ACCEPTED', { ip }), AT)[0];
    assert.equal(of('192.0.2.7').sending_ip, '192.0.2.7');
    assert.equal(of('::ffff:192.0.2.7').sending_ip, '192.0.2.7');
    assert.equal(of('2001:db8::7').sending_ip_v6, '2001:db8::7');
    assert.equal(of('2001:db8::7').sending_ip, undefined);
    assert.equal(of('fe80::1%eth0').sending_ip_v6, 'fe80::1');
    assert.equal(of('192.0.2.7.8').sending_ip, undefined);
});

test('the TLS version is taken, and "TLS" where only its use is known', () => {
    const of = fields => toEvents(anEntry('ACCEPTED', fields), AT)[0].tls;
    assert.equal(of({ secure: true, tlsVersion: 'TLSv1.3' }), 'TLSv1.3');
    assert.equal(of({ secure: true, tlsVersion: false }), 'TLS');
    assert.equal(of({ secure: false, tlsVersion: false }), undefined);
});

test("Rspamd's score and symbols are taken where a plugin put them", () => {
    const [event] = toEvents(anEntry('QUEUED', { score: '5.10', tests: 'R_SPF_ALLOW=-0.2,MIME_GOOD,' }), AT);
    assert.equal(event.spam_score, 5.1);
    assert.deepEqual(event.spam_symbols, ['R_SPF_ALLOW', 'MIME_GOOD']);
});

test('what stands in for a missing Message-ID is none', () => {
    assert.equal(toEvents(anEntry('QUEUED', { 'message-id': '<>' }), AT)[0].message_id, undefined);
    const entry = anEntry('ACCEPTED', {});
    assert.equal(toEvents({ ...entry, messageId: entry.id }, AT)[0].message_id, undefined);
});

test('two deliveries of one message with unknown recipients stay two events', () => {
    const [one] = toEvents(anEntry('DELETED', { seq: '001' }), AT);
    const [two] = toEvents(anEntry('DELETED', { seq: '002' }), AT);
    assert.notEqual(one.event_id, two.event_id);
    assert.equal(one.event_id, eventId('zonemta', one.queue_id, '001', 'dropped', 0));
    assert.equal('to_address' in one, false);
});

test('two recipients with one address are two deliveries, also where it differs in case', () => {
    const to = 'fwd@relay.example,Fwd@Relay.Example,fwd@relay.example';
    const sent = toEvents(anEntry('QUEUED', { to }), AT);
    assert.deepEqual(sent.map(event => event.queue_seq), ['001', '002', '003']);
    assert.deepEqual(sent.map(event => event.to_address), to.split(','));
    assert.equal(new Set(sent.map(event => event.event_id)).size, 3);
    for (const action of ['ACCEPTED', 'DEFERRED', 'REJECTED', 'DELETED']) {
        const ids = ['001', '002'].map(seq => toEvents(anEntry(action, { seq, to: 'fwd@relay.example' }), AT)[0].event_id);
        assert.notEqual(ids[0], ids[1], action);
    }
});

test('a delivery has one id, whichever recipient a plugin of ZoneMTA made of it', () => {
    const [one] = toEvents(anEntry('ACCEPTED', { to: 'a@x.example' }), AT);
    const [two] = toEvents(anEntry('ACCEPTED', { to: 'a@rewritten.example' }), AT);
    assert.equal(one.event_id, two.event_id);
});

test("the recipients of a long message are numbered as ZoneMTA's sequences are", () => {
    const to = Array.from({ length: 4097 }, (_, n) => `r${n}@x.example`).join(',');
    const sent = toEvents(anEntry('QUEUED', { to }), AT);
    assert.deepEqual([0, 15, 4094, 4095].map(n => sent[n].queue_seq), ['001', '010', 'fff', '1000']);
});

test('what was refused has no sequence, and each recipient is refused once', () => {
    const events = toEvents(anEntry('NOQUEUE', { to: 'a@x.example,b@x.example,A@x.example' }), AT);
    assert.deepEqual(events.map(event => event.to_address), ['A@x.example', 'b@x.example']);
    assert.equal('queue_seq' in events[0], false);
});

test('an action that is no outcome gives no event', () => {
    for (const action of ['QUEUE_BOUNCE', 'QUEUE_POLL', 'SPAMCHECK', 'VIRUSCHECK', 'constructor', '__proto__', '', undefined, 7]) {
        assert.deepEqual(toEvents(anEntry('QUEUED', { action }), AT), []);
    }
});

test('an entry without a queue id gives no event', () => {
    for (const id of [undefined, null, '', 7, {}]) {
        assert.deepEqual(toEvents(anEntry('ACCEPTED', { id }), AT), []);
    }
});

test('whatever stands in a field, what comes out is an event the wire takes', () => {
    for (const action of ['QUEUED', 'ACCEPTED', 'DEFERRED', 'REJECTED', 'NOQUEUE', 'DROP', 'DELETED']) {
        const entry = anEntry(action, {});
        for (const field of Object.keys(entry)) {
            for (const value of hostileValues()) {
                const known = { createdAt: value, fetchedAt: value, deliveryMs: value, deferrals: value, user: value, from: value };
                for (const facts of [{}, known]) {
                    const events = toEvents({ ...entry, [field]: value }, AT, facts);
                    events.forEach(event => isWireEvent(event));
                }
            }
        }
    }
});
