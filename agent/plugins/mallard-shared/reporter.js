'use strict';

/**
 * Link between a plugin's hooks and the sender: log, node name, unreadable events, and the end of
 * the process. Nothing here throws: an exception in a timer or a socket callback ends a mail
 * program's process, and its mail sessions with it.
 */

const { Pulse } = require('./pulse');
const { Sender } = require('./sender');
const { readOptions, readTarget } = require('./options');

class Reporter {
    /**
     * @param {unknown} config the plugin's section of the mail program's configuration
     * @param {object} [numbers] options of this plugin alone, as in options.js
     * @param {string[]} [foreign] keys of `config` that are the mail program's own
     * @param {string} name of the plugin, for the User-Agent
     * @param {string} label name of the process, for the receiver's page
     * @param {(level: 'info'|'error', message: string) => void} log may throw
     * @param {() => object} [readings] counters of the mail program, by its name: {haraka: {…}}; may throw
     */
    constructor(config, { numbers, foreign, name, label, log, readings }) {
        const { options, problems } = readOptions(config, numbers, foreign);
        const target = readTarget(options, problems);
        this.writeLog = log;
        this.options = options;
        this.active = Boolean(target);
        problems.forEach(problem => this.log('error', 'configuration: ' + problem));
        if (!this.active) {
            this.log('error', 'nothing is reported until the configuration is fixed; mail is not affected');
            return;
        }
        this.sender = new Sender({ ...options, target, name, label, log: (level, message) => this.log(level, message) });
        this.pulse = new Pulse({ sender: this.sender, name, label, everyMs: options.readingsMs, readings });
        this.log('info', `reporting to ${this.sender.where}`);
    }

    log(level, message) {
        try {
            this.writeLog(level, message);
        } catch {
            // a failing logger must not reach a timer
        }
    }

    send(events) {
        if (this.options.node) {
            events.forEach(event => (event.mta_node = this.options.node));
        }
        if (events.length) {
            this.sender.add(events);
        }
    }

    /** Logs that a hook's arguments could not be read; `isEvent` when that lost an event. */
    unreadable(hook, error, isEvent) {
        try {
            if (isEvent) {
                this.sender.drop(1, 'could not be read');
            }
            this.sender.report('error', 'unreadable', `${hook}: ${error && error.message}`);
        } catch {
            // an error whose message throws: it is only counted
        }
    }

    /**
     * Sends remaining events when the process ends by exit() or by a signal.
     *
     * @param {() => object[]} held events that the plugin still holds back
     */
    followProcess(process, held = () => []) {
        this.held = held;
        for (const signal of ['SIGTERM', 'SIGINT']) {
            // Runs first and is removed before the others run, so that they find the process as if
            // without this plugin.
            process.prependOnceListener(signal, () => {
                this.drain();
                if (process.listenerCount(signal) === 0) {
                    this.end();
                    process.kill(process.pid, signal); // as without this plugin
                }
            });
        }
        process.on('exit', () => this.end());
    }

    /** Send events without lingering from now on: the process is about to end. */
    drain() {
        try {
            this.send(this.held());
            this.sender.drain();
        } catch (error) {
            this.unreadable('shutdown', error);
        }
    }

    /** The process ends now: save the events that the open connection takes. */
    end() {
        try {
            this.send(this.held());
            const lost = this.sender.lastWrite();
            if (lost) {
                this.sender.drop(lost, 'process ended');
            }
        } catch (error) {
            this.unreadable('exit', error);
        }
    }
}

module.exports = { Reporter };
