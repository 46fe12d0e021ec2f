'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { connectionEvents, deferredEvents, denial, transactionEvents } = require('../mapping');
const { UUID, aConnection, aTransaction } = require('./samples');
const { eventId } = require('../../mallard-shared/event_id');
const { AT } = require('../../zone-mta-monitor/test/samples');

const DENY = 902;
const DENYSOFT = 903;

function outcome(connection, transaction, denials = []) {
    return transactionEvents(aConnection(connection), aTransaction(transaction), denials, AT).find(
        event => event.event_type !== 'received'
    );
}

const refusedBy = (plugin, hook, words, value = DENYSOFT) => denial([value, words, plugin, 'hook_' + hook, null, hook], AT);

test('an event has the id of the contract, the size the client sent, and the time Haraka needed', () => {
    const [received, delivered] = transactionEvents(aConnection(), aTransaction(), [], AT);
    assert.equal(delivered.event_id, eventId('haraka', UUID + '.1', 'bob@local.example', 'delivered', 0));
    assert.equal(delivered.message_size_bytes, 1000);
    assert.equal(delivered.delivery_time_ms, 40);
    assert.equal(received.occurred_at, new Date(AT - 40).toISOString());
    assert.equal(delivered.occurred_at, new Date(AT).toISOString());
});

test("Haraka 2's addresses are methods", () => {
    const transaction = { mail_from: { address: () => 'a@x.example' }, store: { rcpt_to: undefined }, rcpt_to: [{ address: () => 'b@y.example' }] };
    const event = outcome({}, transaction);
    assert.equal(event.from_address, 'a@x.example');
    assert.equal(event.to_address, 'b@y.example');
});

test('only a soft refusal that is one of greylisting is greylisted', () => {
    const type = (plugin, words, store) =>
        outcome(
            { last_response: '451 later\r\n' },
            { msg_status: 'deferred', store },
            [refusedBy(plugin, 'data_post', words)]
        ).event_type;
    const rspamd = options => ({ rspamd: { action: 'soft reject', symbols: { GREYLIST: { options } } } });
    assert.equal(type('rspamd', 'Try again later', rspamd(['greylisted', 'new record'])), 'greylisted');
    assert.equal(type('rspamd', 'Try again later', rspamd(['greylisted', 'passed'])), 'deferred', 'a rate limit');
    assert.equal(type('rspamd', 'Try again later', { rspamd: { action: 'soft reject', symbols: {} } }), 'deferred');
    assert.equal(type('greylist', 'Come back', { greylist: { fail: ['greylisted'] } }), 'greylisted');
    assert.equal(type('greylist', 'Backend failure', { greylist: { fail: [] } }), 'deferred');
    assert.equal(type('queue/lmtp', '4.2.0 Greylisted, try again'), 'greylisted', 'by the next hop');
    assert.equal(type('wildduck', 'rate limited'), 'deferred');
    const hard = outcome({ last_response: '550 greylisted for good\r\n' }, { msg_status: 'rejected' }, [refusedBy('x', 'queue', 'greylisted', DENY)]);
    assert.equal(hard.event_type, 'rejected');
});

test('the action decides, not the digit of a reply', () => {
    const transaction = { msg_status: 'rejected' };
    assert.equal(outcome({ last_response: '450 odd\r\n' }, transaction).event_type, 'rejected');
});

test('a reply of several lines is one; what follows it is another', () => {
    const last_response = '550-5.7.1 first\r\n550 5.7.1 second\r\n503 Bad sequence of commands\r\n';
    const event = outcome({ last_response }, { msg_status: 'rejected' });
    assert.equal(event.status_message, '550 5.7.1 first 5.7.1 second');
    assert.equal(event.status_code, 550);
});

test('who refused a recipient is found again by its address and severity', () => {
    const recipient = [{ address: 'Bob@local.example', action: 'tempfail', msg: '4.7.1 wait', code: '451' }];
    const reply451 = { code: '451', reply: '4.7.1 wait' };
    const denials = [
        denial([DENYSOFT, reply451, 'wildduck', 'hook_rcpt', [{ address: 'bob@LOCAL.example' }, {}], 'rcpt'], AT - 5),
        denial([DENYSOFT, reply451, 'other', 'hook_rcpt', [{ address: 'eve@local.example' }, {}], 'rcpt'], AT - 4)
    ];
    const event = outcome({}, { msg_status: undefined, data_bytes: 0, store: { rcpt_to: { recipient } } }, denials);
    assert.equal(event.event_type, 'deferred');
    assert.equal(event.bounce_category, 'wildduck');
    assert.equal(event.status_code, 451);
    assert.equal(event.occurred_at, new Date(AT - 5).toISOString());
});

test('a refusal that delay_deny repeats has the name of the plugin that refused first', () => {
    const recipient = [{ address: 'bob@local.example', action: 'reject', msg: 'listed', code: 'DENY' }];
    const denials = [
        refusedBy('dns-list', 'connect', 'listed', DENY),
        denial([DENY, 'listed', 'delay_deny', 'hook_rcpt_ok', { address: 'bob@local.example' }, 'rcpt_ok'], AT)
    ];
    const event = outcome({}, { msg_status: undefined, data_bytes: 0, store: { rcpt_to: { recipient } } }, denials);
    assert.equal(event.bounce_category, 'dns-list');
    assert.equal(event.status_code, 550);
});

test('a refusal that another plugin took back is none', () => {
    const denials = [refusedBy('karma', 'data_post', 'bad karma', DENY)];
    assert.equal(outcome({}, {}, denials).event_type, 'delivered');
    assert.deepEqual(connectionEvents(aConnection(), [refusedBy('dns-list', 'connect', 'listed', DENY)], AT), [], 'a transaction followed');
});

test('a command refused before any mail is no refusal of mail', () => {
    const connection = aConnection({ tran_count: 0 });
    assert.deepEqual(connectionEvents(connection, [refusedBy('limit', 'unrecognized_command', 'too many', DENY)], AT), []);
    assert.equal(connectionEvents(connection, [refusedBy('fcrdns', 'ehlo', 'no', DENY)], AT).length, 2);
});

test("Haraka's own refusal at the end of DATA is one; an answer to RCPT is none", () => {
    const recipient = [
        { address: 'bob@local.example', action: 'accept' },
        { address: 'eve@local.example', action: 'reject', msg: 'no such user', code: 'DENY' }
    ];
    const of = last_response =>
        transactionEvents(
            aConnection({ last_response }),
            aTransaction({ msg_status: undefined, data_post_start: null, data_bytes: 9000, store: { rcpt_to: { recipient } } }),
            [],
            AT
        ).filter(event => event.to_address === 'bob@local.example' && event.event_type !== 'received');
    assert.equal(of('550 Message too big!\r\n')[0].event_type, 'rejected');
    assert.equal(of('451 Bare line-feed\r\n')[0].event_type, 'deferred');
    assert.deepEqual(of('550 no such user\r\n'), []);
    assert.deepEqual(of('354 go ahead, make my day\r\n'), []);
});

test('SPF, DKIM and DMARC: mailauth in notes before plugins before Rspamd', () => {
    const symbols = { R_SPF_SOFTFAIL: {}, R_DKIM_REJECT: {}, R_DKIM_ALLOW: {}, DMARC_POLICY_QUARANTINE: {} };
    const of = transaction => {
        const { spf_result, dkim_result, dmarc_result } = outcome({}, transaction);
        return [spf_result, dkim_result, dmarc_result];
    };
    assert.deepEqual(of({}), [undefined, undefined, undefined]);
    assert.deepEqual(of({ store: { rspamd: { symbols } } }), ['softfail', 'pass', 'fail']);
    const plugins = { spf: { result: 'Pass' }, dkim: { pass: [], fail: ['x.example'] }, dmarc: { result: 'none' } };
    assert.deepEqual(of({ store: { rspamd: { symbols }, ...plugins } }), ['pass', 'fail', 'none']);
    const notes = {
        spfResult: { status: { result: 'neutral' } },
        dkimResult: { results: [{ status: { result: 'fail' } }, { status: { result: 'pass' } }] },
        dmarcResult: { status: { result: 'pass' } }
    };
    assert.deepEqual(of({ notes, store: { rspamd: { symbols }, ...plugins } }), ['neutral', 'pass', 'pass']);
});

test("Rspamd's symbols are bounded in number and length", () => {
    const symbols = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`S${n}_${'x'.repeat(200)}`, {}]));
    const { spam_symbols } = outcome({}, { store: { rspamd: { symbols } } });
    assert.equal(spam_symbols.length, 100);
    assert.ok(spam_symbols.every(name => name.length === 64));
});

test('a hostile reply is cut and loses its control characters', () => {
    const recipient = [{ address: 'bob@local.example', action: 'reject', msg: `no\r\nfake\u001b[31m\u2028${'x'.repeat(9000)}`, code: 'DENY' }];
    const event = outcome({}, { msg_status: undefined, store: { rcpt_to: { recipient } } });
    assert.equal(event.status_message.length, 500);
    assert.doesNotMatch(event.status_message, /[\u0000-\u001f\u2028]/); // eslint-disable-line no-control-regex
});

test('every deferral of mail that Haraka sends has an id of its own', () => {
    const hmail = num_failures => ({ num_failures, todo: { uuid: 'U.1.2', rcpt_to: [{ address: 'b@y.example' }], mail_from: { address: '' } } });
    const [first] = deferredEvents(hmail(1), { err: 'Tried all MXs' }, AT);
    const [second] = deferredEvents(hmail(2), { err: 'Tried all MXs' }, AT);
    assert.equal(first.queue_id, 'U.1', 'the transaction that brought it');
    assert.equal(second.event_id, eventId('haraka', 'U.1', 'b@y.example', 'deferred', 2));
    assert.equal(first.from_address, '<>');
    assert.equal(first.status_code, undefined);
});

// The notes of haraka-plugin-wildduck 6.0.1; ids are objects of MongoDB's driver.
const anId = hex => ({ toHexString: () => hex });
const USER = '6b0deea5d6fc7d5e9051a44f';
const TRANSACTION = '6b0deea7d6fc7d5e9051a473';

function resolved({ users = [], forwards = [] }) {
    return { id: anId(TRANSACTION), targets: { users: new Map(users), forwards: new Map(forwards), recipients: new Set() } };
}

test('an accepted recipient has the account whose mailbox it is, and no other has', () => {
    const recipient = [
        { address: 'Alias@local.example', action: 'accept' },
        { address: 'list@local.example', action: 'accept' }
    ];
    const userData = { _id: anId(USER), address: 'bob@local.example', quota: 1 };
    const notes = resolved({
        users: [[USER, { userData, recipient: 'alias@local.example' }]],
        forwards: [['bob@other.example', { type: 'mail', value: 'bob@other.example', recipient: 'list@local.example' }]]
    });
    const events = transactionEvents(aConnection(), aTransaction({ notes, store: { rcpt_to: { recipient } } }), [], AT);
    assert.deepEqual(
        events.map(({ event_type, account, account_name, parent_id }) => [event_type, account, account_name, parent_id]),
        [
            ['received', USER, 'bob@local.example', undefined],
            ['delivered', USER, 'bob@local.example', undefined],
            ['received', undefined, undefined, TRANSACTION],
            ['delivered', undefined, undefined, TRANSACTION]
        ]
    );
});

test("a refusal has WildDuck's code of it, which the next recipient changes", () => {
    const recipient = [{ address: 'full@local.example', action: 'reject', msg: 'Mailbox full', code: 'DENY' }];
    const params = [DENY, 'Mailbox full', 'wildduck', 'hook_rcpt', [{ address: 'full@local.example' }], 'rcpt'];
    const denials = [denial(params, AT, 'MBOX_FULL')];
    const event = outcome({}, { msg_status: undefined, store: { rcpt_to: { recipient } } }, denials);
    assert.equal(event.bounce_category, 'wildduck');
    assert.equal(event.filter_outcome, 'MBOX_FULL');
});

test("odd notes of another plugin's cost nothing but what they say", () => {
    for (const targets of [null, 7, {}, { users: {} }, { users: new Map([[1, null]]) }, { users: [{ userData: { _id: 'x' } }] }]) {
        const event = outcome({}, { notes: { id: {}, targets } });
        assert.equal(event.event_type, 'delivered');
        assert.equal(event.account, undefined);
    }
});
