'use strict';

/**
 * Wiring of hooks, timers and the process's end:
 *
 *   hooks → monitor.js (state of a delivery) → mapping.js (events) → reporter.js (POST)
 *
 * A hook calls next() first and at once, whatever happens here, and nothing here throws: ZoneMTA
 * stops a zone whose `sender:delivered` waits, and ends a process with an uncaught exception.
 */

const { Monitor } = require('./monitor');
const { Reporter } = require('../mallard-shared/reporter');
const { watch } = require('../mallard-shared/watch');

const LOG_NAME = 'Mallard';
const EXPIRY_CHECK_MS = 250;
const NUMBERS = { holdMs: [30000, 0, 60000], remembered: [10000, 1, 1000000] };
const WILD_PLUGINS_KEYS = ['enabled', 'ordering'];

/** Returns the name of ZoneMTA's process: "main/77", "receiver/feeder/78", "sender/default/79". */
function processLabel(process) {
    const name = String(process.title).replace(/^.*: /, '').replace(/^master process$/, 'main');
    return name + '/' + process.pid;
}

class Plugin {
    constructor(app, process, now) {
        this.app = app;
        this.now = now;
        this.reporter = new Reporter(app.config, {
            numbers: NUMBERS,
            foreign: WILD_PLUGINS_KEYS,
            name: 'zone-mta-monitor',
            label: processLabel(process),
            log: (level, message) => app.logger[level](LOG_NAME, '%s', message)
        });
        this.sender = this.reporter.sender;
        if (!this.reporter.active) {
            return;
        }
        this.monitor = new Monitor(this.reporter.options);
        this.expiryTimer = null;
        this.checkedAt = -Infinity;
        this.addHooks();
        this.reporter.followProcess(process, () => this.monitor.stop());
        // ZoneMTA 3.11 sends this to its children, lets them finish and ends them with process.exit();
        // older versions, and systemd with its default KillMode, end them by the signal.
        process.on('message', message => {
            if (message && message.shutdown) {
                this.reporter.drain();
            }
        });
    }

    addHooks() {
        this.hook('log:entry', (at, entry) => this.monitor.entry(entry, at));
        this.hook('sender:fetch', (at, delivery) => this.monitor.attempt(delivery, at));
        this.hook('sender:responseError', (at, delivery) => this.monitor.attempt(delivery));
        this.hook('sender:delivered', (at, delivery, info) => this.monitor.delivered(delivery, info));
        this.hook('queue:route', (at, envelope, routing) => this.monitor.route(envelope, routing));
        this.hook('queue:release', (at, zone, data) => this.monitor.release(zone, data, at));
        this.hook('smtp:connect', (at, session) => watch(session, 'error', reply => this.refused(session, reply)));
    }

    refused(session, reply) {
        try {
            this.take(this.monitor.refused(session, reply, this.now()));
        } catch (error) {
            this.reporter.unreadable('smtp:connect', error, true);
        }
    }

    hook(name, handler) {
        this.app.addHook(name, (...args) => {
            const at = this.now();
            try {
                args.pop()(); // next: ZoneMTA continues before anything is read
            } catch {
                // not ours
            }
            try {
                this.take(handler(at, ...args) || []);
            } catch (error) {
                this.reporter.unreadable(name, error, name === 'log:entry');
            }
        });
    }

    take(events) {
        this.reporter.send(events);
        if (this.monitor.holding && !this.expiryTimer) {
            this.expiryTimer = setTimeout(() => this.expire(), EXPIRY_CHECK_MS);
            this.expiryTimer.unref();
        }
    }

    /** Gives up what was overdue at the last check: after a stall, timers run before what waits in sockets. */
    expire() {
        this.expiryTimer = null;
        const overdueAt = this.checkedAt;
        this.checkedAt = this.now();
        try {
            this.take(this.monitor.expired(overdueAt));
        } catch (error) {
            this.reporter.unreadable('timer', error);
        }
    }
}

module.exports = { Plugin };
