'use strict';

/**
 * Mapping of a line in Haraka's log → event of what became of a message at a mailbox. Pure.
 *
 * haraka-plugin-wildduck writes each of its records there, `GELF {…}`, while its GELF is off. The
 * agent's agent/events/gelf/records.py maps the same records alike, and gives the same ids:
 * tests/contract/gelf_records.json. No subject, name of a file or line of a header is read.
 */

const { eventId } = require('../mallard-shared/event_id');
const { LIMITS, ip, text, withoutUnknown } = require('../mallard-shared/text');

// From the beginning of the line, which no client can write: what it sends comes later in one.
const LINE = /^\[[A-Z]+\] \[[^\]]*\] \[(?:haraka-plugin-)?wildduck\] GELF (\{.*\})$/;
const MARK = '] GELF {';
const MAX_LINE = 262144; // characters
const MAX_SKEW_MS = 86400000; // of a record's own time
const MX = 'mx';
const DUPLICATE = 'Message dropped as duplicate';
const REFUSALS = ['unknown_user', 'disabled_user', 'disabled_forwarded', 'over_quota', 'rate_limit', 'failure'];

/** Returns the record in a line of the log; null for any other line. */
function readLine(data) {
    if (typeof data !== 'string' || data.length > MAX_LINE || !data.includes(MARK)) {
        return null;
    }
    const match = LINE.exec(data);
    return match ? JSON.parse(match[1]) : null;
}

/** Returns what became of a message for one recipient; null for what is stored, which the agent's change stream has. */
function processed(record) {
    if (record._dropped) {
        return { type: 'dropped', fields: { filter_outcome: text(record._filters_matching, LIMITS.mailbox) } };
    }
    if (record._no_store) {
        return { type: 'refused', fields: { bounce_category: text(record._err_code, LIMITS.category) || 'failure' } };
    }
    if (String(record._store_result).startsWith(DUPLICATE)) {
        const mailbox = text(record._stored_path, LIMITS.mailbox);
        return { type: 'duplicate', fields: { wildduck_id: text(record._stored_id, LIMITS.parentId), mailbox } };
    }
    return null;
}

function outcome(record) {
    switch (record._mail_action) {
        case 'process':
            return processed(record);
        case 'forward':
            // WildDuck's own record of a forward has no transaction; the plugin's second one has.
            return record._target_queue_id && record._queue_id ? { type: 'forwarded' } : null;
        case 'autoreply':
            return record._queue_id && !record._failure ? { type: 'autoreplied' } : null;
        case 'rcpt_to': {
            const reason = REFUSALS.find(flag => record['_' + flag]);
            return reason ? { type: 'refused', fields: { bounce_category: reason } } : null;
        }
        default:
            return null;
    }
}

function timeOf(timestamp, now) {
    const at = typeof timestamp === 'number' ? Math.round(timestamp * 1000) : NaN;
    return Math.abs(at - now) <= MAX_SKEW_MS ? at : now;
}

const senderOf = value => (value === '' || value === '<>' ? '<>' : text(value, LIMITS.address));

/** Returns the event of a record, as a list; empty for one that tells of none. */
function recordEvents(record, now) {
    const found = record && record._interface === MX ? outcome(record) : null;
    if (!found) {
        return [];
    }
    const queueId = text(record._queue_id, LIMITS.queueId);
    const recipient = [record._to, record._recipient, record._address].map(each => text(each, LIMITS.address)).find(Boolean);
    return [
        withoutUnknown({
            event_id: eventId('wildduck', queueId || '', recipient || '', found.type, 0),
            occurred_at: new Date(timeOf(record.timestamp, now)).toISOString(),
            event_type: found.type,
            direction: 'mailbox',
            queue_id: queueId,
            message_id: text(record._message_id, LIMITS.messageId),
            from_address: senderOf(record._from === undefined ? record._sender : record._from),
            to_address: recipient,
            client_ip: ip(record._ip),
            spam_score: Number.isFinite(record._spam_score) ? record._spam_score : null,
            spam_action: text(record._spam_action, LIMITS.symbol),
            account: text(record._user, LIMITS.account),
            caused_queue_id: text(record._target_queue_id, LIMITS.queueId),
            ...found.fields,
            source: 'haraka_log',
            certainty: 'reported'
        })
    ];
}

/** Returns the events of a line of Haraka's log, as its `log` hook gives it. */
function logEvents(line, now) {
    return recordEvents(readLine(line?.data), now);
}

module.exports = { logEvents, recordEvents };
