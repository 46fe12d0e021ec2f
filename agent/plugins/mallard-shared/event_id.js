'use strict';

/** The deterministic id of an event; tests/contract/event_id.json holds the rule and its vectors. */

const crypto = require('node:crypto');

const EVENT_NAMESPACE = Buffer.from('f7972ba4c67e59f5b609efd69fe0e842', 'hex');

/**
 * @param {string} program "zonemta" or "haraka"
 * @param {string} delivery ZoneMTA's sequence of the recipient; without one, its address or ""
 * @param {number} n the deferral count of a `deferred` event, 0 of any other
 * @returns {string} UUIDv5 over `program|queue id|delivery in lower case|type|n`
 */
function eventId(program, queueId, delivery, eventType, n) {
    const hash = crypto
        .createHash('sha1')
        .update(EVENT_NAMESPACE)
        .update([program, queueId, delivery.toLowerCase(), eventType, n].join('|'), 'utf8')
        .digest();
    hash[6] = (hash[6] & 0x0f) | 0x50;
    hash[8] = (hash[8] & 0x3f) | 0x80;
    return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

module.exports = { eventId };
