'use strict';

/** Entries in the shapes of ZoneMTA 3.11.0, and what checks an event as the server does. */

const assert = require('node:assert/strict');

const AT = Date.parse('2026-11-21T10:07:13.433Z');

const SUBMISSION = {
    'message-id': '<one@corp.example>',
    from: 'alice@corp.example',
    to: 'bob@good.example',
    src: '192.0.2.1',
    subject: 'a subject that must not be taken',
    body: 313,
    md5: 'e6ed5e0090f0',
    interface: 'feeder',
    transtype: 'ESMTP',
    user: 'alice',
    score: '1.00',
    tests: 'A=1'
};
const ATTEMPT = {
    zone: 'default',
    from: 'alice@corp.example',
    returnPath: 'alice@corp.example',
    to: 'bob@good.example',
    mx: 'mx.good.example',
    host: '198.51.100.1',
    ip: '192.0.2.7',
    response: '250 2.0.0 OK',
    size: 782,
    timer: 22,
    start: 10,
    messageId: '<one@corp.example>',
    secure: true,
    tls: true,
    tlsVersion: 'TLSv1.3',
    tlsAuthorized: true,
    protocol: 'smtp'
};
const FIELDS = {
    QUEUED: SUBMISSION,
    ACCEPTED: { seq: '001', ...ATTEMPT },
    DEFERRED: { seq: '001', ...ATTEMPT, response: '451 4.3.0 later', category: 'greylist', defcount: 1, nextattempt: AT + 300000 },
    REJECTED: { seq: '001', ...ATTEMPT, response: '550 5.1.1 no', category: 'recipient' },
    NOQUEUE: { ...SUBMISSION, description: 'spam-reject', responseText: '550 spam' },
    DROP: { ...SUBMISSION, description: 'spam-drop', seq: '001', recipient: 'bob@good.example', reason: 'listed' },
    DELETED: { seq: '001', reason: 'Deletion requested from API' }
};

function anEntry(action, changes) {
    return { id: '1a1fd92f960000a951', action, ...FIELDS[action], ...changes };
}

function aDelivery(changes) {
    return {
        id: '1a1fd92f960000a951',
        seq: '001',
        recipient: 'bob@good.example',
        created: new Date(AT - 3000).toISOString(),
        user: 'alice',
        ...changes
    };
}

function hostileValues() {
    const throwing = new Proxy({}, { get: raise, has: raise, ownKeys: raise, getPrototypeOf: raise });
    const cyclic = {};
    cyclic.self = cyclic;
    return [
        undefined, null, true, false, 0, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 53, 10n, Symbol('s'), '', ' ', '\u0000',
        '\ud800', 'x'.repeat(100000), ','.repeat(1000), '"', '<>', [], ['a'], [[]], {}, { toString: null }, Object.create(null),
        new Date(NaN), () => 'f', cyclic, { toString: raise, valueOf: raise, toJSON: raise }, throwing
    ];
}

function raise() {
    throw new Error('made to throw');
}

const TYPES = ['received', 'sent', 'delivered', 'bounced', 'deferred', 'rejected', 'greylisted', 'dropped'];
const TEXT_LIMITS = {
    queue_id: 64, queue_seq: 8, message_id: 255, from_address: 254, to_address: 254, mx_host: 255, status_message: 500,
    bounce_category: 64, bounce_message: 500, tls: 32, zone: 64, auth_user: 254, account: 254, account_name: 254, parent_id: 64, sending_ip: 45, sending_ip_v6: 45, client_ip: 45
};
const ORIGINS = ['smtp', 'webmail', 'api', 'forward', 'autoreply', 'dsn'];
const NUMBERS = ['status_code', 'delivery_time_ms', 'queue_time_ms', 'total_time_ms', 'attempt', 'message_size_bytes'];

/** Fails unless the event, as JSON, has nothing the wire would refuse. */
function isWireEvent(event) {
    const read = JSON.parse(JSON.stringify(event));
    assert.deepEqual(read, event, 'an event is plain JSON');
    assert.match(read.event_id, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(new Date(read.occurred_at).toISOString(), read.occurred_at);
    assert.ok(TYPES.includes(read.event_type));
    assert.equal(read.direction, 'outbound');
    assert.equal(read.source, 'zonemta_plugin');
    assert.equal(read.certainty, 'reported');
    for (const [name, limit] of Object.entries(TEXT_LIMITS)) {
        if (name in read) {
            assert.equal(typeof read[name], 'string', name);
            assert.ok(read[name].length > 0 && read[name].length <= limit, name);
            assert.doesNotMatch(read[name], /[\u0000-\u001f\u007f]/, name); // eslint-disable-line no-control-regex
        }
    }
    assert.ok(!('origin' in read) || ORIGINS.includes(read.origin));
    for (const name of NUMBERS) {
        assert.ok(!(name in read) || (Number.isInteger(read[name]) && read[name] >= 0 && read[name] < 2 ** 31), name);
    }
    assert.ok(!('status_code' in read) || (read.status_code >= 200 && read.status_code <= 599));
    assert.ok(!('bounce_type' in read) || ['hard', 'soft'].includes(read.bounce_type));
    assert.ok(!('spam_score' in read) || Number.isFinite(read.spam_score));
    assert.ok(!('subject' in read));
}

module.exports = { AT, aDelivery, anEntry, hostileValues, isWireEvent, raise };
