'use strict';

/** Reader of a plugin's configuration; a mistake becomes a line for the log, never an exception. */

const { text } = require('./text');

const INGEST_PATH = '/api/v1/events/ingest';
const AGENT_PATH = '/v1/events'; // of an agent that listens on the loopback address

// name → [default, minimum, maximum]
const NUMBERS = {
    batchEvents: [50, 1, 250],
    batchMs: [200, 0, 10000],
    bufferEvents: [10000, 1, 1000000],
    tries: [3, 1, 100],
    backoffMs: [1000, 1, 60000],
    timeoutMs: [5000, 10, 60000],
    patienceMs: [60000, 0, 3600000],
    readingsMs: [30000, 0, 3600000]
};
const TEXTS = { socket: '/run/mallard-agent/receiver.sock', url: '', key: '', node: '' };

/**
 * @param {unknown} config as read by the mail program
 * @param {object} [more] numbers of this plugin alone, as in NUMBERS
 * @param {string[]} [foreign] keys that are the mail program's own
 * @returns {{options: object, problems: string[]}} every problem is a line an operator can act on;
 *     a number out of range keeps its default
 */
function readOptions(config, more = {}, foreign = []) {
    const given = config && typeof config === 'object' ? config : {};
    const numbers = { ...NUMBERS, ...more };
    const options = {};
    const problems = [];
    const read = (name, fallback, isGood, expected) => {
        const value = given[name] === undefined ? fallback : given[name];
        options[name] = isGood(value) ? value : fallback;
        if (!isGood(value)) {
            problems.push(`${name}: expected ${expected}; using ${fallback === '' ? 'none' : JSON.stringify(fallback)}`);
        }
    };
    for (const [name, [fallback, min, max]] of Object.entries(numbers)) {
        const isInRange = value => Number.isInteger(value) && value >= min && value <= max;
        read(name, fallback, isInRange, `a whole number from ${min} to ${max}`);
    }
    for (const [name, fallback] of Object.entries(TEXTS)) {
        read(name, fallback, value => typeof value === 'string' && !/[^\x20-\x7e]/.test(value), 'printable text');
    }
    for (const name of Object.keys(given)) {
        if (!(name in numbers) && !(name in TEXTS) && !foreign.includes(name)) {
            problems.push(`${text(name, 40)}: unknown key, ignored`);
        }
    }
    return { options, problems };
}

/** @returns {{socketPath: string}|{url: URL, key: string}|null} null when the options are invalid */
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
            throw new Error('a url needs a key: of scope webhook, or the tcp_token of the agent');
        }
        if (parsed.pathname !== AGENT_PATH && !parsed.pathname.endsWith(INGEST_PATH)) {
            parsed.pathname = parsed.pathname.replace(/\/+$/, '') + INGEST_PATH;
        }
        return { url: parsed, key };
    } catch (error) {
        problems.push(`url: ${error.message}`);
        return null;
    }
}

module.exports = { readOptions, readTarget };
