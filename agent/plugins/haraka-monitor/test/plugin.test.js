'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const haraka = require('../index');
const { HOOKS, Plugin } = require('../plugin');
const { Haraka, aProcess, replay } = require('./recorded');
const { aConnection, aTransaction } = require('./samples');
const { aReceiver, aSocketPath, aStrangeListener, until } = require('../../mallard-shared/test/receiver');
const { AT, hostileValues, raise } = require('../../zone-mta-monitor/test/samples');

const contract = name => JSON.parse(fs.readFileSync(path.join(__dirname, '../../../../tests/contract', name), 'utf8'));

for (const { why, calls, events } of contract('haraka_transactions.json').cases) {
    test('recorded: ' + why, () => {
        const before = structuredClone(calls);
        const got = replay(calls);
        assert.deepEqual(got, events);
        assert.deepEqual(calls, before, 'Haraka shares these objects with other plugins');
        assert.doesNotMatch(JSON.stringify(got), /offer|subject/i, 'the subject is never taken');
    });
}

test('every decision is a pair: received is the sum of what became of it', () => {
    const count = {};
    for (const { calls } of contract('haraka_transactions.json').cases) {
        for (const event of replay(calls).filter(event => event.direction === 'inbound')) {
            count[event.event_type] = (count[event.event_type] || 0) + 1;
        }
    }
    const { received, ...decided } = count;
    assert.equal(
        received,
        Object.values(decided).reduce((sum, n) => sum + n)
    );
    assert.deepEqual(Object.keys(decided).sort(), ['deferred', 'delivered', 'greylisted', 'rejected']);
});

function aPlugin(t, main) {
    const host = new Haraka({ batchMs: 5, backoffMs: 5, timeoutMs: 50, ...main });
    const plugin = new Plugin(host, aProcess(), () => AT);
    t.after(() => plugin.sender && (plugin.sender.clearTimer(), plugin.sender.agent.destroy()));
    return { host, plugin };
}

/** Calls a hook as Haraka does, and fails unless next() was called without arguments, in time. */
function call(plugin, hook, subject, params) {
    const calls = [];
    plugin.handle('on_' + hook, (...args) => calls.push(args), subject, params);
    assert.deepEqual(calls, [[]], hook);
}

test('events of the hooks arrive at the receiver', async t => {
    const socket = aSocketPath(t);
    const receiver = await aReceiver(t, socket);
    const { host, plugin } = aPlugin(t, { socket, node: 'mx-01' });
    assert.deepEqual(Object.keys(host.hooks), HOOKS);
    assert.ok(Object.values(host.hooks).every(({ method, priority }) => priority === -100 && haraka[method]));
    call(plugin, 'reset_transaction', aConnection({ transaction: aTransaction() }));
    await until(() => receiver.events().length === 2, 'two events');
    assert.deepEqual(
        receiver.events().map(event => [event.event_type, event.mta_node]),
        [
            ['received', 'mx-01'],
            ['delivered', 'mx-01']
        ]
    );
    assert.equal(receiver.requests[0].headers['x-mallard-process'], 'haraka/77');
    assert.equal(receiver.requests[0].headers['user-agent'], 'mallard-haraka-monitor');
});

test('a message whose declared size is too large is received and rejected, each of a connection once', async t => {
    const socket = aSocketPath(t);
    const receiver = await aReceiver(t, socket);
    const { plugin } = aPlugin(t, { socket });
    const connection = aConnection({ tran_count: 0, current_line: 'MAIL FROM:<alice@sender.example> BODY=8BITMIME SIZE=99999999' });
    call(plugin, 'connect_init', connection);
    connection.last_reject = '550 Message too big!';
    connection.current_line = 'mail from:<> size=99999999';
    connection.last_reject = '550 Message too big!';
    connection.current_line = 'RCPT TO:<bob@local.example>';
    connection.last_reject = '503 Use MAIL before RCPT';
    call(plugin, 'disconnect', connection);
    await until(() => receiver.events().length === 4, 'two pairs');
    const events = receiver.events();
    assert.equal(new Set(events.map(event => event.event_id)).size, 4);
    assert.deepEqual(
        events.map(event => [event.event_type, event.from_address, event.status_code]),
        [
            ['received', 'alice@sender.example', undefined],
            ['rejected', 'alice@sender.example', 550],
            ['received', '<>', undefined],
            ['rejected', '<>', 550]
        ]
    );
    assert.equal(connection.last_reject, '503 Use MAIL before RCPT');
});

for (const [name, prepare] of [
    ['absent', async () => {}],
    ['hanging', aStrangeListener],
    ['answering garbage', (t, socket) => aStrangeListener(t, socket, peer => peer.end('garbage\r\n\r\n'))]
]) {
    test(`with a receiver that is ${name}, 5 000 transactions go on at once and memory stays bounded`, async t => {
        const socket = aSocketPath(t);
        await prepare(t, socket);
        const { plugin } = aPlugin(t, { socket, bufferEvents: 500 });
        for (let n = 0; n < 5000; n++) {
            call(plugin, 'reset_transaction', aConnection({ transaction: aTransaction({ uuid: `U${n}.1` }) }));
            if (n % 1000 === 0) {
                await new Promise(resolve => setTimeout(resolve, 20));
            }
        }
        assert.ok(plugin.sender.waiting <= 500);
        assert.ok(plugin.sender.droppedCount >= 9000);
    });
}

test('whatever a hook is called with, next() is called and nothing thrown', t => {
    const { plugin } = aPlugin(t, { socket: aSocketPath(t) });
    for (const value of hostileValues()) {
        for (const hook of HOOKS) {
            call(plugin, hook, value, value);
            call(plugin, hook, aConnection({ transaction: value }), value);
            call(plugin, hook, aConnection({ transaction: aTransaction() }), value);
        }
        for (const field of Object.keys(aConnection())) {
            call(plugin, 'reset_transaction', aConnection({ transaction: aTransaction(), [field]: value }));
            call(plugin, 'disconnect', aConnection({ [field]: value }));
            const connection = aConnection({ [field]: value, current_line: 'MAIL FROM:<a@b> SIZE=9' });
            call(plugin, 'connect_init', connection);
            connection.last_reject = '550 Message too big!';
            connection.last_reject = value;
        }
        for (const field of [...Object.keys(aTransaction()), 'notes']) {
            for (const msg_status of ['accepted', 'rejected', 'deferred', undefined]) {
                const transaction = aTransaction({ msg_status, [field]: value });
                call(plugin, 'reset_transaction', aConnection({ transaction }));
            }
        }
        for (const name of ['rcpt_to', 'mail_from', 'rspamd', 'greylist', 'outbound', 'spf', 'dkim', 'dmarc']) {
            const transaction = aTransaction({ results: { get: wanted => (wanted === name ? value : undefined) } });
            call(plugin, 'deny', aConnection({ transaction }), [902, value, value, value, value, 'data_post']);
            call(plugin, 'deny', aConnection({ transaction }), [903, value, 'rspamd', value, [value], 'rcpt']);
            call(plugin, 'reset_transaction', aConnection({ transaction }));
        }
        const todo = { uuid: 'U.1.1', queue_time: value, mail_from: value, rcpt_to: [value] };
        call(plugin, 'delivered', { todo, num_failures: value }, [value, value, value, value, value, value, [value], value]);
        call(plugin, 'deferred', { todo, num_failures: value }, { err: value, mx: value, fail_recips: value });
        call(plugin, 'bounce', { todo, num_failures: value }, { message: value, bounced_rcpt: [value], mx: value });
    }
    assert.ok(plugin.sender.dropped['could not be read'] > 0, 'what could not be read is counted');
});

test('a connection is remembered no longer than it lives, and its refusals are bounded', t => {
    const { plugin } = aPlugin(t, { socket: aSocketPath(t) });
    const connection = aConnection({ transaction: aTransaction() });
    for (let n = 0; n < 5000; n++) {
        call(plugin, 'deny', connection, [902, 'no', 'policy', 'hook_rcpt', [{ address: `a${n}@x.example` }], 'rcpt']);
    }
    assert.equal(plugin.denials.get(connection.transaction).length, 1000);
    assert.ok(plugin.denials instanceof WeakMap);
});

test('a number in the configuration where text belongs is that text', t => {
    const { host, plugin } = aPlugin(t, { socket: '/x', node: 7 });
    assert.equal(plugin.reporter.options.node, '7');
    assert.deepEqual(host.lines, ['info Mallard reporting to /x']);
});

test('a url without a key reports nothing and logs it; mail is not affected', t => {
    const { host } = aPlugin(t, { url: 'https://mallard.example' });
    assert.deepEqual(host.hooks, {});
    assert.match(host.lines.join('\n'), /error Mallard configuration: url: .*\nerror Mallard nothing is reported/);
});

test('loading never fails, whatever is wrong', t => {
    const lines = [];
    Object.assign({ logerror: line => lines.push(line), config: { get: raise } }, haraka).register();
    assert.match(lines[0], /^Mallard not started, mail goes on: /);
    Object.assign({ logerror: raise }, haraka).register();
    Object.assign({}, haraka).shutdown();
});

test('without mallard-shared it logs the fix, and Haraka continues', t => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mallard-'));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    for (const name of ['index.js', 'plugin.js', 'mapping.js']) {
        fs.copyFileSync(path.join(__dirname, '..', name), path.join(folder, name));
    }
    const lines = [];
    Object.assign({ logerror: line => lines.push(line) }, require(path.join(folder, 'index'))).register();
    assert.match(lines[0], /^Mallard not started, mail goes on: copy the folder mallard-shared beside this one/);
});
