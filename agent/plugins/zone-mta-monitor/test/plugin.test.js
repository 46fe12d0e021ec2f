'use strict';

const assert = require('node:assert/strict');
const childProcess = require('node:child_process');
const { EventEmitter, once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const { init, title } = require('../index');
const { Plugin } = require('../plugin');
const { AT, aDelivery, anEntry, hostileValues, raise } = require('./samples');
const { aReceiver, aSocketPath, aStrangeListener, until } = require('../../mallard-shared/test/receiver');

/** What ZoneMTA gives to a plugin, as far as ours looks at it. */
class App {
    constructor(config) {
        this.config = config;
        this.hooks = {};
        this.lines = [];
        const write = level => (prefix, format, ...args) => this.lines.push(`${level} ${format.replace('%s', () => args.shift())}`);
        this.logger = { info: write('info'), error: write('error') };
    }

    addHook(name, action) {
        this.hooks[name] = action;
    }

    /** Calls a hook as wild-plugins does, and fails unless next() was called before it returned. */
    call(name, ...args) {
        let calls = 0;
        const result = this.hooks[name](...args, error => {
            calls++;
            assert.equal(error, undefined);
        });
        assert.equal(calls, 1, 'next() once, and before the hook returns');
        assert.equal(result, undefined, 'a promise would be waited for');
    }
}

function aProcess() {
    const process = new EventEmitter();
    return Object.assign(process, { title: 'zone-mta: sender/default', pid: 77, killed: [], kill: (...args) => process.killed.push(args) });
}

function aPlugin(t, config, process = aProcess()) {
    const app = new App({ enabled: ['main', 'receiver', 'sender'], batchMs: 5, backoffMs: 5, timeoutMs: 50, ...config });
    let at = AT;
    const plugin = new Plugin(app, process, () => at);
    t.after(() => plugin.sender && (plugin.sender.clearTimer(), plugin.sender.agent.destroy()));
    return { app, plugin, process, later: ms => (at += ms) };
}

test('events of the hooks arrive at the receiver', async t => {
    const socket = aSocketPath(t);
    const receiver = await aReceiver(t, socket);
    const { app } = aPlugin(t, { socket });
    app.call('log:entry', anEntry('QUEUED', { to: 'bob@good.example,carol@other.example' }));
    app.call('sender:fetch', aDelivery());
    app.call('log:entry', anEntry('ACCEPTED'));
    app.call('sender:delivered', aDelivery(), { envelopeTime: 10, messageTime: 40 });
    app.call('sender:fetch', aDelivery({ seq: '002', recipient: 'carol@other.example' }));
    app.call('sender:responseError', aDelivery({ seq: '002', recipient: 'carol@other.example' }), false, new Error('451 later'));
    app.call('log:entry', anEntry('DEFERRED', { seq: '002', to: 'carol@other.example' }));
    await until(() => receiver.events().length === 4, 'four events');
    assert.deepEqual(
        receiver.events().map(event => [event.event_type, event.to_address, event.delivery_time_ms]),
        [
            ['sent', 'bob@good.example', undefined],
            ['sent', 'carol@other.example', undefined],
            ['delivered', 'bob@good.example', 50],
            ['deferred', 'carol@other.example', undefined]
        ]
    );
    assert.equal(receiver.requests[0].headers['x-mallard-process'], 'sender/default/77');
});

test('a held event leaves when its duration does not come', async t => {
    const socket = aSocketPath(t);
    const receiver = await aReceiver(t, socket);
    const { app, later } = aPlugin(t, { socket, holdMs: 100 });
    app.call('log:entry', anEntry('ACCEPTED'));
    later(100);
    await until(() => receiver.events().length === 1, 'the event');
});

test('after a stall the duration that waits in a socket is read before the event is given up', async t => {
    const socket = aSocketPath(t);
    const receiver = await aReceiver(t, socket);
    const { app, plugin, later } = aPlugin(t, { socket, holdMs: 100 });
    app.call('log:entry', anEntry('ACCEPTED'));
    plugin.expire();
    later(60000);
    plugin.expire(); // the process stood still: the timer runs first
    assert.equal(plugin.monitor.holding, true);
    app.call('sender:delivered', aDelivery(), { envelopeTime: 10, messageTime: 40 });
    await until(() => receiver.events().length === 1, 'the event');
    assert.equal(receiver.events()[0].delivery_time_ms, 50);
});

test('a refusal for size is read from the session, which stays as it was', async t => {
    const socket = aSocketPath(t);
    const receiver = await aReceiver(t, socket);
    const { app } = aPlugin(t, { socket });
    const session = { id: 'kdxn4ykfbjmc3lnc', remoteAddress: '192.0.2.1', envelope: { mailFrom: false, rcptTo: [] }, error: '' };
    app.call('smtp:connect', session);
    session.error = '552 5.3.4 Error: message exceeds fixed maximum message size 1000';
    assert.equal(session.error, '552 5.3.4 Error: message exceeds fixed maximum message size 1000');
    assert.deepEqual(Object.keys(session), ['id', 'remoteAddress', 'envelope', 'error']);
    await until(() => receiver.events().length === 1, 'the event');
    assert.equal(receiver.events()[0].event_type, 'rejected');
});

test('a configured node is in every event', async t => {
    const socket = aSocketPath(t);
    const receiver = await aReceiver(t, socket);
    const { app } = aPlugin(t, { socket, node: 'mta-07' });
    app.call('log:entry', anEntry('QUEUED'));
    await until(() => receiver.events().length === 1, 'the event');
    assert.equal(receiver.events()[0].mta_node, 'mta-07');
});

for (const [name, prepare] of [
    ['absent', async () => {}],
    ['hanging', aStrangeListener],
    ['answering garbage', (t, socket) => aStrangeListener(t, socket, peer => peer.end('garbage\r\n\r\n'))]
]) {
    test(`with a receiver that is ${name}, 20 000 hooks return at once and memory stays bounded`, async t => {
        const socket = aSocketPath(t);
        await prepare(t, socket);
        const { app, plugin } = aPlugin(t, { socket, bufferEvents: 500 });
        for (let n = 0; n < 20000; n++) {
            app.call('log:entry', anEntry('DEFERRED', { defcount: n + 1 }));
            if (n % 5000 === 0) {
                await new Promise(resolve => setTimeout(resolve, 20));
            }
        }
        assert.ok(plugin.sender.waiting <= 500);
        assert.ok(plugin.sender.droppedCount >= 19000);
        assert.equal(app.lines.filter(line => line.includes('buffer full')).length, 1, 'logged once a minute');
    });
}

test('no hook throws, whatever it is called with', t => {
    const { app, plugin } = aPlugin(t, { socket: aSocketPath(t) });
    for (const value of hostileValues()) {
        for (const name of Object.keys(app.hooks)) {
            app.call(name, value);
            app.call(name, value, value);
            app.call(name, value, value, value);
        }
        for (const action of ['QUEUED', 'ACCEPTED', 'DEFERRED', 'REJECTED', 'NOQUEUE', 'DROP', 'DELETED']) {
            const entry = anEntry(action);
            for (const field of Object.keys(entry)) {
                app.call('log:entry', { ...entry, [field]: value });
                const getter = Object.defineProperty({ ...entry }, field, { get: raise, enumerable: true });
                app.call('log:entry', getter);
            }
        }
        for (const field of Object.keys(aDelivery())) {
            const delivery = { ...aDelivery(), [field]: value };
            app.call('sender:fetch', delivery);
            app.call('sender:responseError', delivery, value, value);
            app.call('sender:delivered', delivery, { envelopeTime: value, messageTime: value });
            app.call('queue:route', { ...delivery, to: value }, { recipient: value });
            app.call('queue:release', { name: value }, delivery);
            const session = { id: value, envelopeId: value, user: value, envelope: { mailFrom: value, rcptTo: value } };
            app.call('smtp:connect', session);
            session.error = '552 message exceeds fixed maximum message size';
            session.error = value;
        }
    }
    assert.ok(plugin.sender.dropped['could not be read'] > 0, 'what could not be read is counted');
});

test('a next() that throws and a logger that throws stay where they are', t => {
    const { app } = aPlugin(t, { socket: aSocketPath(t), bufferEvents: 1 });
    app.logger.error = raise;
    app.hooks['log:entry'](anEntry('QUEUED', { to: 'a@x.example,b@x.example' }), raise);
    app.hooks['log:entry'](anEntry('QUEUED'));
});

test('a url that is invalid or without a key reports nothing and logs it; mail is not affected', t => {
    for (const config of [{ url: 'https://mallard.example' }, { url: 'mallard', key: 'k' }, { url: 'ftp://x', key: 'k' }]) {
        const { app } = aPlugin(t, config);
        assert.deepEqual(Object.keys(app.hooks), []);
        assert.match(app.lines.join('\n'), /error configuration: url: .*\nerror nothing is reported/);
    }
});

test('loading never fails, with or without the callback', () => {
    assert.equal(title, 'Mallard monitor');
    let calls = 0;
    init({}, () => calls++);
    init(undefined, () => calls++);
    init({ addHook: raise, logger: { info: raise, error: raise }, config: { url: 'x' } });
    assert.equal(calls, 2);
});

test('without mallard-shared it logs the fix, and ZoneMTA continues', t => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mallard-'));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    for (const name of ['index.js', 'plugin.js', 'monitor.js', 'mapping.js']) {
        fs.copyFileSync(path.join(__dirname, '..', name), path.join(folder, name));
    }
    const app = new App({});
    let calls = 0;
    require(path.join(folder, 'index')).init(app, () => calls++);
    assert.equal(calls, 1);
    assert.match(app.lines.join(), /^error not started, mail goes on: copy the folder mallard-shared beside this one/);
});

test('a signal with other handlers is theirs; one without ends the process as before', t => {
    const handled = aProcess();
    let calls = 0;
    handled.on('SIGTERM', () => calls++);
    aPlugin(t, { socket: aSocketPath(t) }, handled);
    handled.emit('SIGTERM');
    assert.equal(calls, 1);
    assert.deepEqual(handled.killed, []);

    const alone = aProcess();
    aPlugin(t, { socket: aSocketPath(t) }, alone);
    alone.emit('SIGTERM');
    assert.deepEqual(alone.killed, [[77, 'SIGTERM']]);
    assert.equal(alone.listenerCount('SIGTERM'), 0);
});

const CHILD = path.join(__dirname, 'child.js');

function aChild(t, socket) {
    const child = childProcess.fork(CHILD, [socket], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    t.after(() => child.kill('SIGKILL'));
    return child;
}

async function received(child, word) {
    while ((await once(child, 'message'))[0] !== word);
}

for (const [name, stop, status] of [
    ['ends by process.exit()', child => child.send('exit'), [3, null]],
    ['gets the message to shut down, as from ZoneMTA 3.11', child => child.send({ shutdown: true }), [0, null]],
    ['gets SIGTERM, as from systemd', child => child.kill('SIGTERM'), [null, 'SIGTERM']],
    ['gets SIGINT, as from a terminal', child => child.kill('SIGINT'), [null, 'SIGINT']]
]) {
    test(`a process that ${name} leaves its last events with the receiver, and is gone at once`, async t => {
        const socket = aSocketPath(t);
        const receiver = await aReceiver(t, socket);
        const child = aChild(t, socket);
        await until(() => receiver.events().length === 1, 'the first event');
        child.send('deliver');
        await received(child, 'done');
        stop(child);
        assert.deepEqual(await once(child, 'exit'), status);
        await until(() => receiver.events().length === 3, 'the last events');
        assert.deepEqual(receiver.events().map(event => event.event_type).sort(), ['deferred', 'delivered', 'sent']);
    });
}

test('a process with nothing left to do ends although events wait for a receiver', async t => {
    const child = aChild(t, aSocketPath(t));
    await received(child, 'begun'); // its first event finds no receiver
    child.disconnect();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
});
