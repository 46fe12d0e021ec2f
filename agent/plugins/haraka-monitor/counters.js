'use strict';

/** Counters of one process of Haraka since it began, reported by mallard-shared/pulse.js. */

const OUTCOMES = ['delivered', 'rejected', 'greylisted', 'deferred'];

class Counters {
    constructor(haraka, process) {
        this.process = process;
        this.version = versionOf(haraka);
        this.open = new WeakSet(); // connections whose start was seen: some only end
        this.connections = 0;
        this.current = 0;
        this.transactions = 0;
        this.recipients = Object.fromEntries(OUTCOMES.map(outcome => [outcome, 0]));
    }

    connected(connection) {
        if (isObject(connection) && !this.open.has(connection)) {
            this.open.add(connection);
            this.connections++;
            this.current++;
        }
    }

    disconnected(connection) {
        if (isObject(connection) && this.open.delete(connection)) {
            this.current--;
        }
    }

    /** @param {object[]} events outcomes of its recipients */
    transaction(events) {
        this.transactions++;
        for (const { event_type, direction, to_address } of events) {
            if (direction === 'inbound' && to_address && event_type in this.recipients) {
                this.recipients[event_type]++;
            }
        }
    }

    readings() {
        const { delivered, rejected, greylisted, deferred } = this.recipients;
        return {
            version: this.version,
            uptime_s: Math.floor(this.process.uptime()),
            connections_total: this.connections,
            connections_current_count: this.current,
            transactions_total: this.transactions,
            recipients_delivered_total: delivered,
            recipients_rejected_total: rejected,
            recipients_greylisted_total: greylisted,
            recipients_deferred_total: deferred,
            memory_rss_bytes: this.process.memoryUsage.rss()
        };
    }
}

const isObject = value => typeof value === 'object' && value !== null;

/** Returns Haraka's version, null where unknown. */
function versionOf(haraka) {
    try {
        const { version } = haraka.haraka_require('package.json');
        return typeof version === 'string' ? version.slice(0, 40) : null;
    } catch {
        return null;
    }
}

module.exports = { Counters };
