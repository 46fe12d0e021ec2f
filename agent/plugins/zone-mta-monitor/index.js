'use strict';

/**
 * ZoneMTA plugin: hands what becomes of each message to Mallard's agent. README.md says how to
 * install it. This file only ties hooks, timers and the process's end together:
 *
 *   hooks → monitor.js (what is known of a delivery) → mapping.js (events) → sender.js (POST)
 *
 * A hook calls next() first and at once, whatever happens here, and nothing here throws: ZoneMTA
 * stops a zone whose `sender:delivered` waits, and ends a process with an uncaught exception.
 */

const { Monitor } = require('./monitor');
const { Sender } = require('./sender');
const { text } = require('./mapping');

const NAME = 'Mallard';
const INGEST_PATH = '/api/v1/events/ingest';
const EXPIRY_CHECK_MS = 250;

// name → [default, least, most]
const NUMBERS = {
    batchEvents: [50, 1, 250],
    batchMs: [200, 0, 10000],
    bufferEvents: [10000, 1, 1000000],
    tries: [3, 1, 100],
    backoffMs: [1000, 1, 60000],
    timeoutMs: [5000, 10, 60000],
    patienceMs: [60000, 0, 3600000],
    holdMs: [2000, 0, 60000],
    remembered: [10000, 1, 1000000]
};
const TEXTS = { socket: '/run/mallard-agent/receiver.sock', url: '', key: '', node: '' };
const WILD_PLUGINS_KEYS = ['enabled', 'ordering'];

/**
 * @param {object} config the plugin's section of ZoneMTA's configuration
 * @returns {{options: object, problems: string[]}} every problem is a line an operator can act on;
 *     a number out of range keeps its default
 */
function readConfig(config) {
    const given = config && typeof config === 'object' ? config : {};
    const options = {};
    const problems = [];
    for (const [name, [fallback, least, most]] of Object.entries(NUMBERS)) {
        const value = given[name] === undefined ? fallback : given[name];
        const good = Number.isInteger(value) && value >= least && value <= most;
        options[name] = good ? value : fallback;
        if (!good) {
            problems.push(`${name}: expected a whole number from ${least} to ${most}; using ${fallback}`);
        }
    }
    for (const [name, fallback] of Object.entries(TEXTS)) {
        const value = given[name] === undefined ? fallback : given[name];
        const good = typeof value === 'string' && !/[^\x20-\x7e]/.test(value);
        options[name] = good ? value : fallback;
        if (!good) {
            problems.push(`${name}: expected printable text; using ${fallback ? '"' + fallback + '"' : 'none'}`);
        }
    }
    for (const name of Object.keys(given)) {
        if (!(name in NUMBERS) && !(name in TEXTS) && !WILD_PLUGINS_KEYS.includes(name)) {
            problems.push(`${text(name, 40)}: unknown key, ignored`);
        }
    }
    return { options, problems };
}

/** @returns {{socketPath: string}|{url: URL, key: string}|null} null when it cannot be told */
function readTarget({ socket, url, key }, problems) {
    if (!url) {
        return { socketPath: socket };
    }
    try {
        const parsed = new URL(url);
        if (!['http:', 'https:'].includes(parsed.protocol)) {
            throw new Error('not http or https');
        }
        if (!key) {
            throw new Error('a url needs a key, of scope webhook');
        }
        if (!parsed.pathname.endsWith(INGEST_PATH)) {
            parsed.pathname = parsed.pathname.replace(/\/+$/, '') + INGEST_PATH;
        }
        return { url: parsed, key };
    } catch (error) {
        problems.push(`url: ${error.message}`);
        return null;
    }
}

/** Returns which of ZoneMTA's processes this is: "main/77", "receiver/feeder/78", "sender/default/79". */
function processLabel(process) {
    const name = String(process.title).replace(/^.*: /, '').replace(/^master process$/, 'main');
    return name + '/' + process.pid;
}

class Plugin {
    constructor(app, process, now) {
        const { options, problems } = readConfig(app.config);
        const target = readTarget(options, problems);
        this.app = app;
        this.now = now;
        problems.forEach(problem => this.log('error', 'configuration: ' + problem));
        this.active = Boolean(target);
        if (!this.active) {
            this.log('error', 'nothing is reported until the configuration is mended; mail is not affected');
            return;
        }
        this.node = options.node;
        this.monitor = new Monitor(options);
        this.sender = new Sender({
            ...options,
            target,
            label: processLabel(process),
            log: (level, message) => this.log(level, message)
        });
        this.expiryTimer = null;
        this.addHooks();
        this.followProcess(process);
        this.log('info', `reporting to ${this.sender.where}`);
    }

    log(level, message) {
        try {
            this.app.logger[level](NAME, '%s', message);
        } catch {
            // a logger that fails is not ours to mend, and must not reach a timer
        }
    }

    addHooks() {
        this.hook('log:entry', (at, entry) => this.monitor.entry(entry, at));
        this.hook('sender:fetch', (at, delivery) => this.monitor.attempt(delivery, at));
        this.hook('sender:responseError', (at, delivery) => this.monitor.attempt(delivery));
        this.hook('sender:delivered', (at, delivery, info) => this.monitor.delivered(delivery, info));
        this.hook('queue:route', (at, envelope, routing) => this.monitor.route(envelope, routing));
        this.hook('queue:release', (at, zone, data) => this.monitor.release(zone, data, at));
    }

    hook(name, handler) {
        this.app.addHook(name, (...args) => {
            const at = this.now();
            try {
                args.pop()(); // next: ZoneMTA goes on before we look at anything
            } catch {
                // not ours
            }
            try {
                this.take(handler(at, ...args) || []);
            } catch (error) {
                this.unreadable(name, error);
            }
        });
    }

    take(events) {
        if (this.node) {
            events.forEach(event => (event.mta_node = this.node));
        }
        if (events.length) {
            this.sender.add(events);
        }
        if (this.monitor.holding && !this.expiryTimer) {
            this.expiryTimer = setTimeout(() => this.expire(), EXPIRY_CHECK_MS);
            this.expiryTimer.unref();
        }
    }

    expire() {
        this.expiryTimer = null;
        try {
            this.take(this.monitor.expired(this.now()));
        } catch (error) {
            this.unreadable('timer', error);
        }
    }

    unreadable(hook, error) {
        try {
            if (hook === 'log:entry') {
                this.sender.drop(1, 'could not be read');
            }
            this.sender.report('error', 'unreadable', `${hook}: ${error && error.message}`);
        } catch {
            // an error whose message throws: it is counted, and that is all that can be said
        }
    }

    /**
     * ZoneMTA 3.11 tells its children `{shutdown: true}`, lets them finish and ends them with
     * process.exit(); older versions, and systemd with its default KillMode, end them by the signal.
     */
    followProcess(process) {
        process.on('message', message => {
            if (message && message.shutdown) {
                this.drain();
            }
        });
        for (const signal of ['SIGTERM', 'SIGINT']) {
            // First of all listeners and gone before the others run: they must find the process as
            // if we were not here.
            process.prependOnceListener(signal, () => {
                this.drain();
                if (process.listenerCount(signal) === 0) {
                    this.end();
                    process.kill(process.pid, signal); // what would have happened without us
                }
            });
        }
        process.on('exit', () => this.end());
    }

    drain() {
        try {
            this.take(this.monitor.stop());
            this.sender.drain();
        } catch (error) {
            this.unreadable('shutdown', error);
        }
    }

    end() {
        try {
            this.take(this.monitor.stop());
            const lost = this.sender.lastWrite();
            if (lost) {
                this.sender.drop(lost, 'process ended');
            }
        } catch (error) {
            this.unreadable('exit', error);
        }
    }
}

module.exports.title = 'Mallard monitor';

/**
 * @param {object} app what ZoneMTA gives a plugin: config, logger, addHook
 * @param {() => void} [done] absent when the caller awaits the promise of an async init
 */
module.exports.init = (app, done) => {
    let plugin = null;
    try {
        plugin = new Plugin(app, process, Date.now);
    } catch (error) {
        try {
            app.logger.error(NAME, 'not started: %s', error && error.stack);
        } catch {
            // nothing is left to say it with
        }
    }
    if (typeof done === 'function') {
        done();
    }
    return plugin;
};

module.exports.Plugin = Plugin;
module.exports.readConfig = readConfig;
