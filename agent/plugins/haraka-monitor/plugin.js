'use strict';

/**
 * Wiring of hooks and the process's end:
 *
 *   hooks → mapping.js, gelf.js (events) → reporter.js (POST)
 *
 * `reset_transaction` comes once for each transaction, when its outcome is final. `deny` comes before
 * a refusal, with the refusing plugin and its reason; another plugin may still revoke it, so it is
 * only stored. `disconnect` covers connections that were refused before any transaction.
 *
 * A hook reads and then calls next(), always and without arguments: with reset_transaction's next()
 * Haraka drops the transaction and continues with the next command before next() returns.
 */

const { Reporter } = require('../mallard-shared/reporter');
const { watch } = require('../mallard-shared/watch');
const { Counters } = require('./counters');
const { logEvents } = require('./gelf');
const mapping = require('./mapping');

const CONFIG_FILE = 'haraka-monitor.ini';
// Before all other plugins: one that answers a hook ends it for those behind.
const FIRST = -100;
const MAX_DENIALS = 1000; // of one transaction or connection
// `log` last: a line that is logged while the others are registered has no plugin yet.
const HOOKS = ['connect_init', 'deny', 'reset_transaction', 'disconnect', 'delivered', 'deferred', 'bounce', 'log'];
const WITHOUT_EVENTS = ['on_connect_init', 'on_deny'];

class Plugin {
    on_delivered = mapping.deliveredEvents;
    on_deferred = mapping.deferredEvents;
    on_bounce = mapping.bouncedEvents;

    constructor(haraka, process, now) {
        this.now = now;
        this.counters = new Counters(haraka, process);
        this.oversized = new WeakMap(); // connection → messages refused for their declared size
        this.denials = new WeakMap(); // transaction, or connection without one → denials, oldest first
        this.reporter = new Reporter(readConfig(haraka), {
            name: 'haraka-monitor',
            label: 'haraka/' + process.pid,
            log: (level, message) => haraka['log' + level]('Mallard ' + message),
            readings: () => ({ haraka: this.counters.readings() })
        });
        this.sender = this.reporter.sender;
        if (!this.reporter.active) {
            return;
        }
        for (const hook of HOOKS) {
            haraka.register_hook(hook, 'on_' + hook, FIRST);
        }
        this.reporter.followProcess(process);
    }

    /** Called by Haraka through index.js; calls `next` once, whatever happens. */
    handle(method, next, subject, params) {
        try {
            this.reporter.send(this[method](subject, params, this.now()));
        } catch (error) {
            this.reporter.unreadable(method, error, !WITHOUT_EVENTS.includes(method));
        }
        next();
    }

    on_connect_init(connection) {
        this.counters.connected(connection);
        watch(connection, 'last_reject', reply => this.refused(connection, reply));
        return [];
    }

    /** Haraka refuses a declared size that is too large without any hook. */
    refused(connection, reply) {
        try {
            const number = (this.oversized.get(connection) || 0) + 1;
            const events = mapping.oversizedEvents(connection, reply, number, this.now());
            if (events.length) {
                this.oversized.set(connection, number);
                this.reporter.send(events);
            }
        } catch (error) {
            this.reporter.unreadable('last_reject', error, true);
        }
    }

    on_deny(connection, params, at) {
        const about = connection.transaction || connection;
        const known = this.denialsOf(about);
        if (known.length < MAX_DENIALS) {
            known.push(mapping.denial(params, at, connection.transaction?.notes?.rejectCode));
            this.denials.set(about, known);
        }
        return [];
    }

    on_reset_transaction(connection, _params, at) {
        const { transaction } = connection;
        if (!transaction) {
            return [];
        }
        const denials = [...this.denialsOf(connection), ...this.denialsOf(transaction)];
        const events = mapping.transactionEvents(connection, transaction, denials, at);
        this.counters.transaction(events);
        return events;
    }

    on_disconnect(connection, _params, at) {
        this.counters.disconnected(connection);
        return mapping.connectionEvents(connection, this.denialsOf(connection), at);
    }

    /** WildDuck's records, where its GELF is off. Never logs: that line would come here again. */
    on_log(_logger, line, at) {
        return logEvents(line, at);
    }

    denialsOf(about) {
        return this.denials.get(about) || [];
    }

    shutdown() {
        if (this.reporter.active) {
            this.reporter.drain();
        }
    }
}

function readConfig(haraka) {
    const { main } = haraka.config.get(CONFIG_FILE) || {};
    const config = { ...main };
    for (const name of ['socket', 'url', 'key', 'node']) {
        // Haraka's reader converts text that looks like a number.
        if (typeof config[name] === 'number') {
            config[name] = String(config[name]);
        }
    }
    return config;
}

module.exports = { HOOKS, Plugin };
