'use strict';

/** A process of ZoneMTA as far as the plugin sees it; plugin.test.js drives it. */

const { init } = require('../index');
const { aDelivery, anEntry } = require('./samples');

const hooks = {};
const app = {
    config: { socket: process.argv[2], batchMs: 200, timeoutMs: 5000, backoffMs: 5 },
    logger: { info() {}, error() {} },
    addHook: (name, action) => (hooks[name] = action)
};
const call = (name, ...args) => hooks[name](...args, () => {});

process.title = 'zone-mta: sender/default';
init(app, () => {});
call('log:entry', anEntry('QUEUED'));
setTimeout(() => process.connected && process.send('begun'), 300);

process.on('message', message => {
    if (message === 'deliver') {
        call('sender:fetch', aDelivery());
        call('log:entry', anEntry('ACCEPTED')); // held for a duration that will not come
        call('log:entry', anEntry('DEFERRED', { seq: '002' }));
        process.send('done');
    } else if (message === 'exit') {
        process.exit(3);
    } else if (message.shutdown) {
        setTimeout(() => process.exit(0), 50); // ZoneMTA drains its sessions first
    }
});
