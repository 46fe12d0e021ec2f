'use strict';

/**
 * Mapping of one `log:entry` of ZoneMTA → events of Mallard's wire format. Pure, and every value
 * goes through a converter of text.js.
 *
 * The subject of a message is never read.
 */

const net = require('node:net');

const { eventId } = require('../mallard-shared/event_id');
const {
    LIMITS,
    MAX_SPAM_SYMBOLS,
    hardOrSoft,
    ip,
    isCount,
    replyCode,
    text,
    wholeNumber,
    withoutUnknown
} = require('../mallard-shared/text');

const PROGRAM = 'zonemta';
// Interface → how mail came into the queue: of WildDuck (lib/maildropper.js), of ZoneMTA's API and its
// notices. The others are receivers, whose names the operator chooses.
const ORIGINS = new Map([
    ['maildrop', 'webmail'],
    ['forwarder', 'forward'],
    ['autoreplies', 'autoreply'],
    ['api', 'api'],
    ['bounce', 'dsn']
]);
// Of what WildDuck sends because it took a message; that of a submission names nothing.
const CAUSED = ['forward', 'autoreply'];

/** Cuts at commas outside of a quoted local part; null when a quote is never closed. */
function cutOutsideQuotes(list) {
    const pieces = [];
    let start = 0;
    let quoted = false;
    for (let at = 0; at < list.length; at++) {
        const character = list[at];
        if (quoted && character === '\\') {
            at++; // the next character is literal
        } else if (character === '"' && (quoted || at === start)) {
            quoted = !quoted; // a quote opens only at the beginning of an address
        } else if (character === ',' && !quoted) {
            pieces.push(list.slice(start, at));
            start = at + 1;
        }
    }
    return quoted ? null : [...pieces, list.slice(start)];
}

/**
 * ZoneMTA joins the recipients of a message with bare commas (lib/mail-drop.js).
 *
 * @param {unknown} list "a@x,b@y"
 * @returns {string[]} the addresses in their order; [] for "" and "<>"
 */
function listRecipients(list) {
    if (typeof list !== 'string') {
        return [];
    }
    const addresses = [];
    let open = '';
    for (const piece of cutOutsideQuotes(list) || list.split(',')) {
        // ZoneMTA's SMTP server accepts `a,b@example`, unquoted: a piece without @ joins the next.
        const address = open + piece;
        // What is open has none: to look through it again would take the square of its length.
        if (piece.includes('@')) {
            addresses.push(address);
            open = '';
        } else {
            open = address + ',';
        }
    }
    const rest = open.slice(0, -1);
    if (rest && rest !== '<>') {
        addresses.push(rest);
    }
    return addresses;
}

/** Returns the same, each address once: without a sequence the address alone tells deliveries apart. */
function splitRecipients(list) {
    return [...new Map(listRecipients(list).map(address => [address.toLowerCase(), address])).values()];
}

/** Returns the sequence of a message's n-th recipient, from 1, as ZoneMTA writes it (lib/mail-queue.js). */
const sequence = n => n.toString(16).padStart(3, '0');

/** Returns the envelope sender, "<>" for the null sender, null where unknown. */
function sender(entry, known) {
    const from = 'from' in entry ? entry.from : known.from;
    if (from === '' || from === false || from === '<>') {
        return '<>';
    }
    return text(from, LIMITS.address);
}

function messageId(entry, known) {
    for (const value of [entry['message-id'], entry.messageId, known.messageId]) {
        const id = text(value, LIMITS.messageId);
        // "<>" and the queue id replace a missing Message-ID.
        if (id && id !== '<>' && id !== entry.id) {
            return id;
        }
    }
    return null;
}

function tlsVersion(entry) {
    // ZoneMTA before 3.10.18 logs nothing about TLS; a version is missing on some sockets.
    return text(entry.tlsVersion, LIMITS.tls) || (entry.secure === true ? 'TLS' : null);
}

function spamFields(entry) {
    const score = ['string', 'number'].includes(typeof entry.score) && entry.score !== '' ? Number(entry.score) : NaN;
    // "NAME=1.5,OTHER=0.1" or "NAME,OTHER"
    const names = typeof entry.tests === 'string' ? entry.tests.slice(0, 10000).split(',') : [];
    const symbols = names.map(name => text(name.split('=')[0], LIMITS.symbol)).filter(Boolean);
    return {
        spam_score: Number.isFinite(score) ? score : null,
        spam_symbols: symbols.length ? symbols.slice(0, MAX_SPAM_SYMBOLS) : null
    };
}

/** The remote server's reply, and ZoneMTA's classification of it. */
function replyFields(entry) {
    const reply = text(entry.response, LIMITS.reply);
    const local = ip(entry.ip);
    return {
        sending_ip: local && net.isIPv4(local) ? local : null,
        sending_ip_v6: local && net.isIPv6(local) ? local : null,
        // Without a host there was no connection, and `mx` is only the recipient's domain.
        mx_host: text(entry.host, LIMITS.host) ? text(entry.mx, LIMITS.host) : null,
        status_code: replyCode(reply),
        status_message: reply,
        tls: tlsVersion(entry)
    };
}

function bounceFields(entry, type) {
    return {
        bounce_type: type,
        bounce_category: text(entry.category, LIMITS.category),
        bounce_message: text(entry.response, LIMITS.reply)
    };
}

const between = (from, to) => (typeof from === 'number' && typeof to === 'number' ? wholeNumber(to - from) : null);

/** Times of a failed attempt: the wait until it began, and the time until the reply. */
function failedTimes(at, known) {
    return {
        queue_time_ms: between(known.createdAt, known.fetchedAt),
        total_time_ms: between(known.createdAt, at)
    };
}

/**
 * Times of a delivery: the SMTP transaction until the final reply, the wait before it, and both.
 *
 * @param {number} at time of the reply, in ms
 * @param {{createdAt?: number, fetchedAt?: number, deliveryMs?: number}} known
 */
function deliveredTimes(at, known) {
    const delivery = wholeNumber(known.deliveryMs);
    const { queue_time_ms: fetched, total_time_ms: total } = failedTimes(at, known);
    if (delivery === null || total === null) {
        return { delivery_time_ms: delivery, queue_time_ms: fetched, total_time_ms: total };
    }
    return {
        delivery_time_ms: delivery,
        queue_time_ms: Math.max(total - delivery, 0),
        total_time_ms: Math.max(total, delivery)
    };
}

function attemptOf(known) {
    return isCount(known.deferrals) ? known.deferrals + 1 : null;
}

function deferralCount(entry, known) {
    return isCount(entry.defcount) && entry.defcount > 0 ? entry.defcount : attemptOf(known) || 1;
}

/** Submission fields, which ZoneMTA logs where it accepts a message (receiver, main). */
function submissionFields(entry, known) {
    return {
        client_ip: ip(entry.src),
        auth_user: text(entry.user, LIMITS.authUser) || text(known.user, LIMITS.authUser),
        ...spamFields(entry)
    };
}

/**
 * The account behind a message: WildDuck's id of the user, else the name, without the login that
 * zonemta-wildduck adds in brackets; how it came into the queue; and what caused it.
 */
function accountFields(entry, known) {
    const id = text(known.userId, LIMITS.account);
    const user = text(entry.user, LIMITS.authUser) || text(known.user, LIMITS.authUser) || '';
    const name = text(user.split('[', 1)[0], LIMITS.account);
    const from = text(entry.interface, LIMITS.zone) || text(known.interface, LIMITS.zone);
    const origin = from && (ORIGINS.get(from) || 'smtp');
    return {
        account: id || name,
        account_name: id && name,
        origin,
        parent_id: CAUSED.includes(origin) ? text(known.parentId, LIMITS.parentId) : null
    };
}

function localReason(entry) {
    const reply = text(entry.responseText, LIMITS.reply);
    return {
        status_code: replyCode(reply),
        status_message:
            reply || text(entry.error, LIMITS.reply) || text(entry.description, LIMITS.reply) || text(entry.reason, LIMITS.reply)
    };
}

const MAKERS = {
    QUEUED: (entry, at, known) => ({ event_type: 'sent', attempt: 0, ...submissionFields(entry, known) }),
    ACCEPTED: (entry, at, known) => ({
        event_type: 'delivered',
        ...replyFields(entry),
        ...deliveredTimes(at, known),
        attempt: attemptOf(known),
        message_size_bytes: wholeNumber(entry.size) || null,
        auth_user: text(known.user, LIMITS.authUser)
    }),
    DEFERRED: (entry, at, known) => ({
        event_type: 'deferred',
        ...replyFields(entry),
        ...failedTimes(at, known),
        attempt: deferralCount(entry, known),
        ...bounceFields(entry, 'soft'),
        auth_user: text(known.user, LIMITS.authUser)
    }),
    REJECTED: (entry, at, known) => ({
        event_type: 'bounced',
        ...replyFields(entry),
        ...failedTimes(at, known),
        attempt: attemptOf(known),
        ...bounceFields(entry, hardOrSoft(replyCode(entry.response))),
        auth_user: text(known.user, LIMITS.authUser)
    }),
    NOQUEUE: (entry, at, known) => ({
        event_type: 'rejected',
        ...localReason(entry),
        ...submissionFields(entry, known)
    }),
    DROP: (entry, at, known) => ({
        event_type: 'dropped',
        ...localReason(entry),
        ...submissionFields(entry, known)
    })
};
MAKERS.DELETED = MAKERS.DROP;

/**
 * Returns the deliveries that an entry is about, as {seq, recipient}. ZoneMTA's key of a delivery is the
 * queue id and the sequence: a message may name one address twice. null: not known.
 */
function deliveriesOf(entry, known) {
    const seq = text(entry.seq, LIMITS.queueSeq);
    if (['ACCEPTED', 'DEFERRED', 'REJECTED'].includes(entry.action)) {
        // The queue document's recipient where a hook gave it: a plugin may rewrite the envelope's.
        const one = typeof known.recipient === 'string' ? known.recipient : entry.to;
        return [{ seq, recipient: typeof one === 'string' && one ? one : null }];
    }
    if (entry.action === 'QUEUED' && !known.deliveries) {
        // One entry for all of them: ZoneMTA numbers them in this order.
        return listRecipients(entry.to).map((recipient, at) => ({ seq: sequence(at + 1), recipient }));
    }
    const named = typeof entry.recipient === 'string' && entry.recipient ? [entry.recipient] : splitRecipients(entry.to);
    if (named.length) {
        return named.map(recipient => ({ seq, recipient }));
    }
    return known.deliveries && known.deliveries.length ? known.deliveries : [{ seq, recipient: null }];
}

/**
 * @param {object} entry of `log:entry`; not changed
 * @param {number} at time in ms since 1970: an entry has none
 * @param {object} [known] data of this delivery from other hooks (monitor.js)
 * @returns {object[]} the events, [] for an action without any
 */
function toEvents(entry, at, known = {}) {
    const make = typeof entry.action === 'string' && Object.hasOwn(MAKERS, entry.action) ? MAKERS[entry.action] : null;
    const queueId = text(entry.id, LIMITS.queueId);
    if (!make || !queueId) {
        return [];
    }
    const made = make(entry, at, known);
    const n = made.event_type === 'deferred' ? made.attempt : 0;
    const shared = {
        occurred_at: new Date(at).toISOString(),
        event_type: made.event_type,
        direction: 'outbound',
        queue_id: queueId,
        message_id: messageId(entry, known),
        from_address: sender(entry, known)
    };
    const account = accountFields(entry, known);
    return deliveriesOf(entry, known).map(({ seq, recipient }) =>
        withoutUnknown({
            event_id: eventId(PROGRAM, entry.id, seq || recipient || '', made.event_type, n),
            ...shared,
            queue_seq: seq,
            to_address: text(recipient, LIMITS.address),
            ...made,
            zone: text(entry.zone, LIMITS.zone),
            ...account,
            source: 'zonemta_plugin',
            certainty: 'reported'
        })
    );
}

module.exports = { deliveredTimes, sequence, splitRecipients, toEvents };
