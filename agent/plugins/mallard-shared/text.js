'use strict';

/**
 * Converters of values that may be missing, of a wrong type or written by a hostile peer. Each
 * returns null for an invalid value. Pure.
 */

const net = require('node:net');

// Maximum characters of each text; the server truncates at the same lengths.
const LIMITS = {
    account: 254,
    address: 254,
    authUser: 254,
    category: 64,
    host: 255,
    mailbox: 255,
    messageId: 255,
    parentId: 64,
    queueId: 64,
    queueSeq: 8,
    reply: 500,
    symbol: 64,
    tls: 32,
    zone: 64
};
const MAX_SPAM_SYMBOLS = 100;
const MAX_WHOLE_NUMBER = 2 ** 31 - 1;

// Line and terminal control (C0, DEL, C1, the Unicode line ends): a reply must not write log lines.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g; // eslint-disable-line no-control-regex
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/**
 * @param {unknown} value
 * @param {number} limit in characters
 * @returns {string|null} the text truncated to `limit`, control characters as one space; null if none
 */
function text(value, limit) {
    if (typeof value !== 'string') {
        return null;
    }
    // Truncate before cleaning, so that a megabyte costs no more than its beginning.
    const cleaned = value
        .slice(0, limit * 2)
        .replace(CONTROL, ' ')
        .trim()
        .slice(0, limit)
        .replace(LONE_SURROGATE, '\ufffd');
    return cleaned || null;
}

/** Returns a whole number (of ms, of bytes) within the wire's limits, or null. */
function wholeNumber(value) {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
        return null;
    }
    // Below zero only when a time was stamped by another host's clock.
    return Math.min(Math.max(Math.round(value), 0), MAX_WHOLE_NUMBER);
}

/** Returns whether it is a whole number from 0 within the wire's limits. */
function isCount(value) {
    return Number.isInteger(value) && value >= 0 && value < MAX_WHOLE_NUMBER;
}

/** Returns the address as PostgreSQL and Python read it: no IPv4 in IPv6, no interface name. */
function ip(value) {
    if (typeof value !== 'string') {
        return null;
    }
    const plain = value.split('%', 1)[0].replace(/^::ffff:(?=\d+\.)/i, '');
    return net.isIP(plain) ? plain : null;
}

/** Returns the code an SMTP reply begins with. */
function replyCode(reply) {
    const match = typeof reply === 'string' && /^\s*([2-5]\d\d)(?!\d)/.exec(reply);
    return match ? Number(match[1]) : null;
}

/** Returns the bounce type that a reply code means; null without one. */
function hardOrSoft(code) {
    if (code === null || code < 400) {
        return null;
    }
    return code >= 500 ? 'hard' : 'soft';
}

/** Returns the event without the keys whose value is unknown: absent and null mean the same. */
function withoutUnknown(event) {
    for (const key of Object.keys(event)) {
        if (event[key] === null || event[key] === undefined) {
            delete event[key];
        }
    }
    return event;
}

module.exports = {
    LIMITS,
    MAX_SPAM_SYMBOLS,
    hardOrSoft,
    ip,
    isCount,
    replyCode,
    text,
    wholeNumber,
    withoutUnknown
};
