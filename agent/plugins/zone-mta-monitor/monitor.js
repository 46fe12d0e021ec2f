'use strict';

/**
 * State between hooks: hook calls in, events out. No I/O, no timers, no clock: the caller passes the
 * time.
 *
 * `log:entry` alone has no duration of a delivery, no queue time of its message, no attempt number,
 * and (when an operator deletes a delivery) no recipient. Other hooks have them:
 *
 *   sender process   sender:fetch          queue time, earlier deferrals, recipient, user, interface,
 *                                          cause; and the first that ZoneMTA shows of mail that
 *                                          WildDuck queued
 *                    log:entry             ACCEPTED, DEFERRED, REJECTED
 *                    sender:delivered      duration; it comes AFTER the ACCEPTED entry, when the
 *                                          master has taken the delivery off the queue
 *   main process     queue:route           recipient of each sequence number, in their order
 *                    queue:release         the delivery has left the queue
 *   receiver         smtp:connect          the session, in which ZoneMTA stores its refusals
 *
 * So a delivered event is held until its `sender:delivered`, or `holdMs`: on a busy machine the
 * master takes seconds. Every map is bounded.
 */

const { withoutUnknown } = require('../mallard-shared/text');
const { deliveredTimes, sequence, toEvents } = require('./mapping');

/** A Map of at most `limit` keys that drops its oldest. */
class Recent {
    constructor(limit) {
        this.limit = limit;
        this.map = new Map();
    }

    /** @returns {Array} the dropped [key, value], or undefined */
    set(key, value) {
        this.map.set(key, value);
        if (this.map.size > this.limit) {
            const oldest = this.map.entries().next().value;
            this.map.delete(oldest[0]);
            return oldest;
        }
        return undefined;
    }

    get(key) {
        return this.map.get(key);
    }

    /** @returns the removed value */
    take(key) {
        const value = this.map.get(key);
        this.map.delete(key);
        return value;
    }
}

// Of mail that WildDuck puts into the queue past ZoneMTA (lib/maildropper.js): from webmail and its API,
// and what it sends by itself, which no client handed in: its origin is a host name or a loopback
// address. Should a receiver of ZoneMTA have such a name, its QUEUED has the same event id.
const SUBMITTED_TO_WILDDUCK = 'maildrop';
const WILDDUCK_INTERFACES = new Set([SUBMITTED_TO_WILDDUCK, 'forwarder', 'autoreplies']);

const TOO_LARGE = /^552[ -].*\bsize\b/i;

const isText = value => typeof value === 'string' && value !== '';

/** Returns the name of one delivery, "id.seq"; null without one. */
function keyOf(delivery) {
    return delivery && isText(delivery.id) && isText(delivery.seq) ? delivery.id + '.' + delivery.seq : null;
}

/** Returns what a delivery or an envelope holds of who submitted it, and why. */
const submissionOf = ({ user, userId, interface: from, parentId }) => ({ user, userId, interface: from, parentId });

function milliseconds(time) {
    const value = time instanceof Date ? time.getTime() : typeof time === 'string' ? Date.parse(time) : time;
    return Number.isFinite(value) ? value : undefined;
}

class Monitor {
    /**
     * @param {number} options.holdMs maximum wait of a delivered event for its duration
     * @param {number} options.remembered maximum of remembered deliveries, of each kind
     */
    constructor({ holdMs = 30000, remembered = 10000 } = {}) {
        this.holdMs = holdMs;
        this.remembered = remembered;
        this.attempts = new Recent(remembered); // "id.seq" → data of the running attempt
        this.held = new Recent(remembered); // "id.seq" → {events, at, known, until}
        this.routed = new Map(); // id → {from, messageId, user, recipients: Map seq → address}
        this.routedCount = 0; // recipients in all of `routed`
        this.routing = new WeakMap(); // envelope → recipients seen so far
        this.oversized = new WeakMap(); // SMTP session → messages refused for their size before DATA
        this.stopping = false;
    }

    /**
     * `sender:fetch`, and `sender:responseError` in case the first was not seen.
     *
     * @param {number} [fetchedAt] start of the attempt in ms, unknown to the second hook
     * @returns {object[]} `sent` at the first attempt of mail that WildDuck queued: no QUEUED tells of it
     */
    attempt(delivery, fetchedAt) {
        const key = keyOf(delivery);
        if (!key) {
            return [];
        }
        const earlier = this.attempts.get(key);
        const deferred = delivery._deferred;
        const known = {
            createdAt: milliseconds(delivery.created),
            fetchedAt: fetchedAt === undefined && earlier ? earlier.fetchedAt : fetchedAt,
            deferrals: deferred && typeof deferred === 'object' ? Number(deferred.count) || 0 : 0,
            recipient: isText(delivery.recipient) ? delivery.recipient : undefined,
            ...submissionOf(delivery)
        };
        this.attempts.set(key, known);
        if (fetchedAt === undefined || known.deferrals || !WILDDUCK_INTERFACES.has(delivery.interface)) {
            return [];
        }
        const { id, seq, recipient, from, messageId, sendingZone } = delivery;
        const src = delivery.interface === SUBMITTED_TO_WILDDUCK ? delivery.origin : undefined;
        const entry = { action: 'QUEUED', id, from, messageId, src, zone: sendingZone };
        return toEvents(entry, known.createdAt ?? fetchedAt, { ...submissionOf(delivery), deliveries: [{ seq, recipient }] });
    }

    /** `sender:delivered`. @returns {object[]} the event that waited for it */
    delivered(delivery, info) {
        const key = keyOf(delivery);
        if (!key) {
            return [];
        }
        const deliveryMs = info ? info.envelopeTime + info.messageTime : undefined;
        const held = this.held.take(key);
        if (held) {
            const times = withoutUnknown(deliveredTimes(held.at, { ...held.known, deliveryMs }));
            return held.events.map(event => Object.assign(event, times));
        }
        const known = this.attempts.get(key);
        if (known) {
            known.deliveryMs = deliveryMs; // for a version of ZoneMTA that logs after it
        }
        return [];
    }

    /** `queue:route`: sequence numbers are given in the order of these calls (lib/mail-queue.js). */
    route(envelope, routing) {
        if (!envelope || typeof envelope !== 'object' || !isText(envelope.id) || !routing || !isText(routing.recipient)) {
            return;
        }
        const first = Array.isArray(envelope.to) ? envelope.to[0] : envelope.to;
        const count = this.routing.get(envelope) || 0;
        if (count < 0 || (count === 0 && first !== routing.recipient)) {
            this.routing.set(envelope, -1); // began before this plugin was loaded: its numbers are unknown
            return;
        }
        this.routing.set(envelope, count + 1);
        const seq = sequence(count + 1);
        let message = this.routed.get(envelope.id);
        if (!message) {
            message = { from: envelope.from, messageId: envelope.messageId, ...submissionOf(envelope), recipients: new Map() };
            this.routed.set(envelope.id, message);
        }
        message.recipients.set(seq, routing.recipient);
        this.routedCount++;
        while (this.routedCount > this.remembered) {
            const [oldest, gone] = this.routed.entries().next().value;
            this.routed.delete(oldest);
            this.routedCount -= gone.recipients.size;
        }
    }

    /**
     * `queue:release`: delivered and bounced come with a status. Without one a plugin suppressed
     * the delivery in `sender:fetch`, which ZoneMTA does not log.
     */
    release(zone, data, at) {
        if (!keyOf(data)) {
            return [];
        }
        const known = this.takeRouted(data.id, data.seq);
        if (data.status) {
            return [];
        }
        const entry = {
            id: data.id,
            seq: data.seq,
            action: 'DROP',
            zone: zone && zone.name,
            recipient: data.to,
            reason: 'Suppressed by a plugin before delivery'
        };
        return toEvents(entry, at, known);
    }

    /**
     * A refusal of a message for its size, which ZoneMTA neither logs nor reports to a hook: at MAIL,
     * where only the declared size is known, or at the end of DATA.
     *
     * @param {object} session of `smtp:connect`
     * @param {unknown} reply to the client
     */
    refused(session, reply, at) {
        if (!isText(reply) || !TOO_LARGE.test(reply)) {
            return [];
        }
        const { mailFrom, rcptTo } = session.envelope || {};
        const refusal = { action: 'NOQUEUE', src: session.remoteAddress, user: session.user, responseText: reply };
        if (mailFrom) {
            const named = (rcptTo || []).filter(recipient => isText(recipient.address));
            const deliveries = named.map(({ address }) => ({ seq: null, recipient: address }));
            return toEvents({ ...refusal, id: session.envelopeId }, at, { from: mailFrom.address, deliveries });
        }
        const count = (this.oversized.get(session) || 0) + 1;
        this.oversized.set(session, count);
        return toEvents({ ...refusal, id: session.id, seq: sequence(count) }, at);
    }

    /** `log:entry`. @returns {object[]} events that are complete now */
    entry(entry, at) {
        if (!entry || typeof entry !== 'object') {
            return [];
        }
        switch (entry.action) {
            case 'ACCEPTED':
                return this.accepted(entry, at);
            case 'DEFERRED':
            case 'REJECTED':
                return toEvents(entry, at, this.attempts.take(keyOf(entry)));
            case 'DROP':
            case 'DELETED':
                return toEvents(entry, at, this.takeRouted(entry.id, entry.seq));
            default:
                return toEvents(entry, at);
        }
    }

    accepted(entry, at) {
        const key = keyOf(entry);
        const known = this.attempts.take(key) || {};
        const events = toEvents(entry, at, known);
        if (this.stopping || !key || known.deliveryMs !== undefined || !events.length) {
            return events;
        }
        const pushedOut = this.held.set(key, { events, at, known, until: at + this.holdMs });
        return pushedOut ? pushedOut[1].events : [];
    }

    /** @returns {object[]} held events that waited long enough; all of them with no time given */
    expired(now = Infinity) {
        const events = [];
        for (const [key, held] of this.held.map) {
            if (held.until > now) {
                break; // in order of arrival
            }
            this.held.map.delete(key);
            events.push(...held.events);
        }
        return events;
    }

    get holding() {
        return this.held.map.size > 0;
    }

    /** Holds nothing from now on: the process is about to end. @returns {object[]} the held events */
    stop() {
        this.stopping = true;
        return this.expired();
    }

    /** Without a sequence number, takes all remaining recipients of the message. */
    takeRouted(id, seq) {
        const message = this.routed.get(id);
        if (!message) {
            return {};
        }
        const { recipients, ...known } = message;
        let taken = [];
        if (seq) {
            taken = recipients.has(seq) ? [[seq, recipients.get(seq)]] : [];
            this.routedCount -= recipients.delete(seq) ? 1 : 0;
        } else {
            taken = [...recipients];
            this.routedCount -= recipients.size;
            recipients.clear();
        }
        if (!recipients.size) {
            this.routed.delete(id);
        }
        return { ...known, deliveries: taken.map(([seq, recipient]) => ({ seq, recipient })) };
    }
}

module.exports = { Monitor };
