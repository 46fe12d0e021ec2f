'use strict';

/** Recorded hook calls, given to the plugin as Haraka does. */

const { Plugin } = require('../plugin');

/** What Haraka gives to a plugin, as far as ours looks at it. */
class Haraka {
    constructor(main) {
        this.hooks = {};
        this.lines = [];
        this.config = { get: () => ({ main }) };
    }

    register_hook(hook, method, priority) {
        this.hooks[hook] = { method, priority };
    }

    loginfo(line) {
        this.lines.push('info ' + line);
    }

    logerror(line) {
        this.lines.push('error ' + line);
    }
}

/** Makes of recorded data the objects that were recorded: of one uuid there is one object. */
function revive(call, alive) {
    const { connection, transaction } = call;
    const revived = { ...call };
    if (connection) {
        revived.connection = one(alive, connection);
    }
    if (transaction) {
        const { results, header } = transaction;
        revived.transaction = one(alive, {
            ...transaction,
            ...(results && { results: { get: name => results[name] } }),
            ...(header && { header: { get: name => header[name] || '' } })
        });
    }
    if (connection) {
        revived.connection.transaction = transaction ? revived.transaction : null;
    }
    if (call.hook === 'bounce') {
        revived.params = Object.assign(new Error(call.params.message), call.params);
    }
    return revived;
}

function one(alive, data) {
    alive[data.uuid] = Object.assign(alive[data.uuid] || {}, data);
    return alive[data.uuid];
}

/** @returns {object[]} the events that recorded calls of one connection become */
function replay(calls) {
    let at = 0;
    const plugin = new Plugin(new Haraka({ socket: '/nowhere' }), aProcess(), () => at);
    const events = [];
    plugin.reporter.send = some => events.push(...some);
    plugin.reporter.unreadable = (_hook, error) => {
        throw error;
    };
    const alive = {};
    for (const call of calls) {
        at = Date.parse(call.at);
        const { hook, connection, hmail, params } = revive(call, alive);
        let calledNext = 0;
        plugin.handle('on_' + hook, (...answer) => (calledNext += answer.length ? NaN : 1), connection || hmail, params);
        if (calledNext !== 1) {
            throw new Error(`${hook}: next() without arguments, once`);
        }
    }
    return events;
}

/** A process that nothing ends. */
function aProcess() {
    const listeners = [];
    const listen = (...listener) => listeners.push(listener);
    return { pid: 77, on: listen, prependOnceListener: listen, listenerCount: () => 1, listeners };
}

module.exports = { Haraka, aProcess, replay };
