'use strict';

/**
 * Readings of a plugin's process, sent every half minute: that it lives, its drops, and counters of
 * the mail program. Only to an agent: the server has no readings of processes.
 *
 * They are not resent, because the next ones replace them.
 */

const { headerValue } = require('./sender');

const FIRST_MS = 1000;

class Pulse {
    /**
     * @param {object} options as of Reporter, and
     * @param {import('./sender').Sender} options.sender whose connection is used
     * @param {number} options.everyMs 0: never
     */
    constructor({ sender, name, label, everyMs, readings = () => ({}) }) {
        this.sender = sender;
        this.name = headerValue(name);
        this.label = headerValue(label);
        this.everyMs = everyMs;
        this.readings = readings;
        this.busy = false;
        this.timer = null;
        this.acceptedCount = 0; // answered with 202
        if (everyMs > 0 && sender.readingsPath) {
            this.schedule(Math.min(FIRST_MS, everyMs));
        }
    }

    schedule(delayMs) {
        this.timer = setTimeout(() => {
            this.schedule(this.everyMs);
            try {
                this.post();
            } catch (error) {
                this.busy = false;
                this.sender.report('error', 'readings', `readings could not be sent: ${error && error.message}`);
            }
        }, delayMs);
        this.timer.unref();
    }

    stop() {
        clearTimeout(this.timer);
    }

    body() {
        return Buffer.from(
            JSON.stringify({
                plugin: this.name,
                process: this.label,
                dropped_total: this.sender.droppedCount,
                accepted_total: this.sender.accepted,
                waiting_count: this.sender.waiting,
                ...this.readings()
            })
        );
    }

    post() {
        if (this.busy) {
            return;
        }
        const body = this.body();
        this.busy = true;
        this.sender.exchange(this.sender.readingsPath, body, ({ kind, status, reason }) => {
            this.busy = false;
            if (kind === 'accepted') {
                this.acceptedCount++;
            } else if (status && status !== 404) {
                // An agent without readings answers 404.
                this.sender.report('error', 'readings', `readings: ${reason}`);
            }
        });
    }
}

module.exports = { Pulse };
