'use strict';

/**
 * Mapping of Haraka's data at the end of a transaction → events of Mallard's wire format. Pure, and
 * every value goes through a converter of text.js.
 *
 * Every decision gives two events, `received` and its outcome, so that the counts add up:
 * received = delivered + rejected + greylisted + deferred.
 *
 * The subject of a message is never read.
 */

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

const PROGRAM = 'haraka';
const DENYSOFT = 903; // haraka-constants
const DENYSOFTDISCONNECT = 909;
const HARD_CODE = 550; // Haraka's reply code when a plugin gives none
const SOFT_CODE = 450;
const RECIPIENT_HOOKS = ['rcpt', 'rcpt_ok'];
const MESSAGE_HOOKS = ['data', 'max_data_exceeded', 'data_post', 'queue', 'queue_outbound'];
// A refusal in one of these refuses mail; in others (noop, vrfy, AUTH …) only a command.
const CONNECTION_HOOKS = ['connect', 'lookup_rdns', 'helo', 'ehlo'];
const DELAYING_PLUGIN = 'delay_deny'; // repeats in rcpt_ok what others refused before
const TERMINATOR_BYTES = 3; // Haraka counts the line that ends DATA, ".\r\n"
const MAX_COMMAND = 1000; // characters
const MAX_TARGETS = 1000; // of one transaction
const OBJECT_ID = /^[0-9a-f]{24}$/i;
const OVERSIZED_MAIL = /^MAIL FROM: ?(?:<([^>]*)>|(\S+)) .*\bSIZE=\d/i;
const GREYLIST_WORDS = /gr[ae]y-?list/i;

// Rspamd's symbols, the strongest first: several signatures give several of them.
const SPF_SYMBOLS = {
    R_SPF_ALLOW: 'pass',
    R_SPF_PLUSALL: 'pass',
    R_SPF_FAIL: 'fail',
    R_SPF_SOFTFAIL: 'softfail',
    R_SPF_NEUTRAL: 'neutral',
    R_SPF_PERMFAIL: 'permerror',
    R_SPF_DNSFAIL: 'temperror',
    R_SPF_NA: 'none'
};
const DKIM_SYMBOLS = {
    R_DKIM_ALLOW: 'pass',
    R_DKIM_REJECT: 'fail',
    R_DKIM_PERMFAIL: 'permerror',
    R_DKIM_TEMPFAIL: 'temperror',
    R_DKIM_NA: 'none'
};
const DMARC_SYMBOLS = {
    DMARC_POLICY_ALLOW: 'pass',
    DMARC_POLICY_ALLOW_WITH_FAILURES: 'pass',
    DMARC_POLICY_REJECT: 'fail',
    DMARC_POLICY_QUARANTINE: 'fail',
    DMARC_POLICY_SOFTFAIL: 'fail', // failed, with policy none
    DMARC_BAD_POLICY: 'permerror',
    DMARC_DNSFAIL: 'temperror',
    DMARC_NA: 'none'
};
const RESULTS = ['pass', 'fail', 'softfail', 'neutral', 'none', 'policy', 'temperror', 'permerror'];

const isObject = value => typeof value === 'object' && value !== null;
const listOf = value => (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]);

/** Returns an address of Haraka 3 (a property) or 2 (a method); '' is the null sender. */
function addressOf(value) {
    if (typeof value === 'string') {
        return value;
    }
    const address = value?.address;
    const plain = typeof address === 'function' ? address.call(value) : address;
    if (typeof plain === 'string') {
        return plain;
    }
    const { user, host } = isObject(value) ? value : {};
    if (typeof user !== 'string') {
        return null;
    }
    return host ? `${user}@${host}` : user;
}

function senderOf(transaction) {
    if (!isObject(transaction.mail_from)) {
        return null;
    }
    const address = addressOf(transaction.mail_from);
    return address === '' || address === '<>' || address === null ? '<>' : text(address, LIMITS.address);
}

/** Returns a plugin's words as one line; a DSN object's `reply` begins with its status. */
function wordsOf(message) {
    const words = isObject(message) && !Array.isArray(message) ? message.reply : message;
    return listOf(words)
        .filter(word => typeof word === 'string')
        .join(' ');
}

/**
 * A refusal as `deny` reports it; stored until the transaction ends.
 *
 * @param {unknown} params [return value, message, plugin, function, hook's parameters, hook]
 * @param {unknown} [reason] haraka-plugin-wildduck's code of its last refusal: of this one, as the
 *     next recipient changes it
 */
function denial(params, at, reason = null) {
    const [value, message, plugin, , hookParams, hook] = Array.isArray(params) ? params : [];
    return {
        at,
        plugin: text(plugin, LIMITS.category),
        reason: plugin === 'wildduck' ? text(reason, LIMITS.category) : null,
        hook: typeof hook === 'string' ? hook : '',
        soft: value === DENYSOFT || value === DENYSOFTDISCONNECT,
        code: replyCode(String(message?.code ?? '')),
        words: wordsOf(message),
        recipient: RECIPIENT_HOOKS.includes(hook) ? addressOf(listOf(hookParams)[0]) : null
    };
}

/** Returns the denial that a plugin repeats, else itself. */
function original(denial, denials) {
    if (!denial || denial.plugin !== DELAYING_PLUGIN) {
        return denial;
    }
    const same = other => other.plugin !== DELAYING_PLUGIN && other.words === denial.words && other.soft === denial.soft;
    return denials.findLast(same) || denial;
}

/** Returns a plugin's results of this transaction. */
function resultsOf(transaction, name) {
    const { results } = transaction;
    const result = isObject(results) && typeof results.get === 'function' ? results.get(name) : null;
    return isObject(result) ? result : {};
}

/** Returns the last reply to the client: {code, message} without line breaks; null without one. */
function lastReply(connection) {
    if (typeof connection.last_response !== 'string') {
        return null;
    }
    const words = [];
    let code = null;
    for (const line of connection.last_response.slice(0, 10000).split('\r\n')) {
        const match = /^([2-5]\d\d)([ -])(.*)$/.exec(line);
        if (!match) {
            break;
        }
        code = Number(match[1]);
        words.push(match[3]);
        if (match[2] === ' ') {
            break; // answers to commands sent too early follow
        }
    }
    return code === null ? null : { code, message: text(`${code} ${words.join(' ')}`, LIMITS.reply) };
}

function makeReply(code, words) {
    return { code, message: text(`${code} ${words}`, LIMITS.reply) };
}

const isGreylisting = (denial, transaction) => {
    if (!denial) {
        return false;
    }
    if (denial.plugin === 'rspamd') {
        // Rspamd greylists by a soft reject, which it also uses for rate limits.
        const symbol = resultsOf(transaction, 'rspamd').symbols?.GREYLIST;
        const options = listOf(symbol?.options);
        return symbol !== undefined && !options.includes('pass') && !options.includes('passed');
    }
    if (denial.plugin === 'greylist') {
        // It also refuses when its Redis is unreachable.
        return listOf(resultsOf(transaction, 'greylist').fail).includes('greylisted');
    }
    return GREYLIST_WORDS.test(denial.words) || GREYLIST_WORDS.test(denial.plugin || '');
};

/** Returns the outcome of a refusal: {type, reply, at, and the refusing plugin with its words}. */
function refusal({ soft, reply, denial, transaction, at }) {
    const greylisted = soft && isGreylisting(denial, transaction);
    return {
        type: greylisted ? 'greylisted' : soft ? 'deferred' : 'rejected',
        reply,
        at,
        category: denial ? denial.plugin : null,
        words: denial ? text(denial.words, LIMITS.reply) : null,
        reason: denial ? denial.reason : null
    };
}

/**
 * The outcome of each recipient at RCPT, from Haraka's own replies.
 *
 * @returns {Map} recipient in lower case → {address, accepted} or {address, refusal}
 */
function recipientsOf(transaction, denials, at) {
    const recipients = new Map();
    const replies = listOf(resultsOf(transaction, 'rcpt_to').recipient).filter(isObject);
    for (const { address, action, msg, code } of replies) {
        if (typeof address !== 'string' || !address) {
            continue;
        }
        const key = address.toLowerCase();
        if (action === 'accept') {
            recipients.set(key, { address, accepted: true });
        } else if (!recipients.get(key)?.accepted) {
            const soft = action === 'tempfail';
            const words = wordsOf(msg);
            const denial = denials.findLast(
                one => one.recipient !== null && one.recipient.toLowerCase() === key && one.soft === soft
            );
            const reply = makeReply(replyCode(String(code)) || (soft ? SOFT_CODE : HARD_CODE), words);
            recipients.set(key, {
                address,
                words,
                refusal: refusal({ soft, reply, denial: original(denial, denials), transaction, at: denial ? denial.at : at })
            });
        }
    }
    if (!replies.length) {
        for (const recipient of listOf(transaction.rcpt_to)) {
            const address = addressOf(recipient);
            if (address) {
                recipients.set(address.toLowerCase(), { address, accepted: true });
            }
        }
    }
    return recipients;
}

/** The outcome of the whole message; null when the client gave up before the end of DATA. */
function messageOutcome(connection, transaction, denials, recipients, at) {
    const reply = lastReply(connection);
    const denial = denials.findLast(one => MESSAGE_HOOKS.includes(one.hook));
    switch (transaction.msg_status) {
        case 'accepted':
            return { type: 'delivered', reply, at };
        case 'rejected':
        case 'deferred': {
            const soft = transaction.msg_status === 'deferred';
            const code = (denial && denial.code) || (soft ? SOFT_CODE : HARD_CODE);
            const refused = reply && reply.code >= 400 ? reply : makeReply(code, denial ? denial.words : '');
            return refusal({ soft, reply: refused, denial, transaction, at });
        }
        default:
    }
    if (!reply || reply.code < 400) {
        return null;
    }
    // Haraka stores no status of a refusal of DATA itself, nor of its own: too big, too many parts …
    const isOwn = transaction.data_bytes > 0 && ![...recipients.values()].some(one => one.words && reply.message.endsWith(one.words));
    if ((denial && denial.hook === 'data') || isOwn) {
        return refusal({ soft: reply.code < 500, reply, denial, transaction, at });
    }
    return null;
}

function spamFields(transaction) {
    const { score, action, symbols } = resultsOf(transaction, 'rspamd');
    const names = isObject(symbols) ? Object.keys(symbols).slice(0, MAX_SPAM_SYMBOLS) : [];
    const list = names.map(name => text(name, LIMITS.symbol)).filter(Boolean);
    return {
        spam_score: typeof score === 'number' && Number.isFinite(score) ? score : null,
        spam_action: text(action, LIMITS.symbol),
        spam_symbols: list.length ? list : null
    };
}

/** Returns one of the wire's words, or null. */
function authResult(value) {
    const word = typeof value === 'string' ? value.toLowerCase() : '';
    return RESULTS.includes(word) ? word : null;
}

const statusOf = checked => authResult(checked?.status?.result);
const best = words => RESULTS.find(word => words.includes(word)) || null;
const bySymbol = (symbols, meanings) => {
    const name = isObject(symbols) ? Object.keys(meanings).find(one => Object.hasOwn(symbols, one)) : undefined;
    return name === undefined ? null : meanings[name];
};

/** Result of a plugin's own lists of passed and failed checks. */
function passOrFail({ pass, fail }) {
    if (listOf(pass).length) {
        return 'pass';
    }
    return listOf(fail).length ? 'fail' : null;
}

/**
 * SPF, DKIM and DMARC: of mailauth (haraka-plugin-wildduck stores it in notes), else of Haraka's own
 * plugins, else of Rspamd.
 */
function authFields(connection, transaction) {
    const notes = isObject(transaction.notes) ? transaction.notes : {};
    const { symbols } = resultsOf(transaction, 'rspamd');
    const spf = name => authResult(resultsOf(name, 'spf').result);
    const signatures = listOf(notes.dkimResult?.results).map(statusOf);
    return {
        spf_result: statusOf(notes.spfResult) || spf(transaction) || spf(connection) || bySymbol(symbols, SPF_SYMBOLS),
        dkim_result: best(signatures) || passOrFail(resultsOf(transaction, 'dkim')) || bySymbol(symbols, DKIM_SYMBOLS),
        dmarc_result:
            statusOf(notes.dmarcResult) || authResult(resultsOf(transaction, 'dmarc').result) || bySymbol(symbols, DMARC_SYMBOLS)
    };
}

function tlsOf(connection) {
    if (connection.tls?.enabled !== true) {
        return null;
    }
    return text(connection.tls?.cipher?.version, LIMITS.tls) || 'TLS';
}

function messageId(transaction) {
    const { header } = transaction;
    const id = isObject(header) && typeof header.get === 'function' ? text(header.get('Message-ID'), LIMITS.messageId) : null;
    return id === '<>' ? null : id;
}

/** Returns the values of a Map of haraka-plugin-wildduck's, which is of another context than ours. */
function targetsOf(map) {
    const targets = [];
    if (!isObject(map) || typeof map.values !== 'function') {
        return targets;
    }
    for (const target of map.values()) {
        if (targets.push(target) >= MAX_TARGETS) {
            break;
        }
    }
    return targets.filter(isObject);
}

/** Returns an id of MongoDB's as text. */
function objectId(value) {
    const id = isObject(value) && typeof value.toHexString === 'function' ? value.toHexString() : value;
    return typeof id === 'string' && OBJECT_ID.test(id) ? id.toLowerCase() : null;
}

/**
 * What haraka-plugin-wildduck found out about the recipients that it accepted: whose mailbox each is,
 * and the id that the mail it forwards for an address names as its cause.
 *
 * @returns {(address: string) => object} the fields of a recipient
 */
function accountsOf(transaction) {
    const { targets, id } = isObject(transaction.notes) ? transaction.notes : {};
    const { users, forwards } = isObject(targets) ? targets : {};
    const accounts = new Map();
    for (const { userData, recipient } of targetsOf(users)) {
        const account = objectId(userData?._id);
        const fields = { account, account_name: account && text(userData.address, LIMITS.address) };
        accounts.set((addressOf(recipient) || '').toLowerCase(), fields);
    }
    const forwarded = targetsOf(forwards).map(({ recipient }) => (addressOf(recipient) || '').toLowerCase());
    const parent_id = forwarded.length ? objectId(id) : null;
    return address => {
        const key = address.toLowerCase();
        return { ...accounts.get(key), parent_id: forwarded.includes(key) ? parent_id : null };
    };
}

/** Fields of the peer, for every event of its connection. */
function connectionFields(connection) {
    return {
        client_ip: ip(connection.remote?.ip),
        auth_user: text(connection.notes?.auth_user, LIMITS.authUser),
        tls: tlsOf(connection)
    };
}

/** Fields of a message whose end Haraka has seen. */
function messageFields(transaction) {
    const ended = Number.isFinite(transaction.data_post_start) || Boolean(transaction.msg_status);
    const bytes = wholeNumber(transaction.data_bytes);
    return {
        message_id: messageId(transaction),
        message_size_bytes: ended && bytes > TERMINATOR_BYTES ? bytes - TERMINATOR_BYTES : null
    };
}

function event(queueId, recipient, type, at, fields, { n = 0, direction = 'inbound' } = {}) {
    return withoutUnknown({
        event_id: eventId(PROGRAM, queueId, recipient === null ? '' : recipient, type, n),
        occurred_at: new Date(at).toISOString(),
        event_type: type,
        direction,
        queue_id: text(queueId, LIMITS.queueId),
        to_address: text(recipient, LIMITS.address),
        ...fields,
        source: 'haraka_plugin',
        certainty: 'reported'
    });
}

/** `received` and its outcome. */
function pair(queueId, recipient, outcome, { receivedAt = outcome.at, shared, final = {} }) {
    return [
        event(queueId, recipient, 'received', receivedAt, shared),
        event(queueId, recipient, outcome.type, outcome.at, {
            ...shared,
            status_code: outcome.reply ? outcome.reply.code : null,
            status_message: outcome.reply ? outcome.reply.message : null,
            bounce_category: outcome.category,
            bounce_message: outcome.words,
            filter_outcome: outcome.reason,
            ...final
        })
    ];
}

/** `reset_transaction`: one pair per recipient; one without a recipient when MAIL was refused. */
function transactionEvents(connection, transaction, denials, at) {
    const queueId = text(transaction.uuid, LIMITS.queueId);
    if (!queueId) {
        return [];
    }
    const shared = { from_address: senderOf(transaction), ...connectionFields(connection) };
    const recipients = recipientsOf(transaction, denials, at);
    const { action } = resultsOf(transaction, 'mail_from');
    if (!recipients.size && ['reject', 'tempfail'].includes(action)) {
        const denial = denials.findLast(one => one.hook === 'mail');
        const soft = action === 'tempfail';
        const outcome = refusal({ soft, reply: lastReply(connection), denial, transaction, at: denial ? denial.at : at });
        return pair(queueId, null, outcome, { shared });
    }
    const events = [];
    const message = messageOutcome(connection, transaction, denials, recipients, at);
    const ownDelivery = listOf(resultsOf(transaction, 'outbound').pass).includes('queued');
    const whole = message ? { ...shared, ...messageFields(transaction) } : null;
    const checked = message ? { ...spamFields(transaction), ...authFields(connection, transaction) } : null;
    const accountOf = accountsOf(transaction);
    const endedAt = Number.isFinite(transaction.data_post_start) ? transaction.data_post_start : at;
    for (const { address, refusal: refused } of recipients.values()) {
        if (refused) {
            events.push(...pair(queueId, address, refused, { shared }));
        } else if (message && message.type === 'delivered' && ownDelivery) {
            events.push(event(queueId, address, 'sent', at, { ...whole, ...checked, attempt: 0 }, { direction: 'outbound' }));
        } else if (message) {
            const final = { ...checked, delivery_time_ms: message.type === 'delivered' ? wholeNumber(at - endedAt) : null };
            const mine = { ...whole, ...accountOf(address) };
            events.push(...pair(queueId, address, message, { receivedAt: endedAt, shared: mine, final }));
        }
    }
    return events;
}

/** `disconnect`: one pair when the connection was refused before any transaction. */
function connectionEvents(connection, denials, at) {
    const queueId = text(connection.uuid, LIMITS.queueId);
    const denial = denials.findLast(one => CONNECTION_HOOKS.includes(one.hook));
    if (!queueId || !denial || connection.tran_count !== 0) {
        return [];
    }
    const sent = text(connection.last_reject, LIMITS.reply);
    const code = denial.code || (denial.soft ? SOFT_CODE : HARD_CODE);
    const reply =
        sent && denial.words && sent.endsWith(text(denial.words, LIMITS.reply) || '')
            ? { code: replyCode(sent), message: sent }
            : makeReply(code, denial.words);
    const outcome = refusal({ soft: denial.soft, reply, denial, transaction: {}, at: denial.at });
    return pair(queueId, null, outcome, { shared: connectionFields(connection) });
}

/**
 * MAIL whose declared size is too large: Haraka refuses it before a transaction begins.
 *
 * @param {unknown} reply "550 Message too big!"
 * @param {number} number of such refusals in this connection, 1 for the first
 */
function oversizedEvents(connection, reply, number, at) {
    const uuid = text(connection.uuid, LIMITS.queueId);
    const command = OVERSIZED_MAIL.exec(text(connection.current_line, MAX_COMMAND) || '');
    if (!uuid || !command || !/\bbig\b|\bsize\b/i.test(text(reply, LIMITS.reply) || '')) {
        return [];
    }
    const sent = { code: replyCode(reply), message: text(reply, LIMITS.reply) };
    const outcome = refusal({ soft: false, reply: sent, denial: null, transaction: {}, at });
    const sender = text(command[1] || command[2], LIMITS.address) || '<>';
    const shared = { from_address: sender, ...connectionFields(connection) };
    return pair(`${uuid}.0.${number}`, null, outcome, { shared });
}

/** Mail that Haraka sends itself: its queue adds a number to the transaction's uuid. */
function outboundEvents(hmail, recipients, make, at) {
    const todo = hmail?.todo;
    const queueId = text(todo?.uuid, LIMITS.queueId)?.replace(/^(.+\.\d+)\.\d+$/, '$1');
    if (!queueId) {
        return [];
    }
    const deferrals = isCount(hmail.num_failures) ? hmail.num_failures : 0;
    const queuedAt = todo.queue_time;
    return listOf(recipients)
        .map(recipient => [recipient, addressOf(recipient)])
        .filter(([, address]) => address)
        .map(([recipient, address]) => {
            const { type, n = 0, ...fields } = make(recipient, deferrals);
            const shared = {
                from_address: senderOf(todo),
                total_time_ms: Number.isFinite(queuedAt) ? wholeNumber(at - queuedAt) : null,
                ...fields
            };
            return event(queueId, address, type, at, shared, { n, direction: 'outbound' });
        });
}

/** `delivered`: [host, ip, response, delay, port, mode, recipients, secured, authenticated] */
function deliveredEvents(hmail, params, at) {
    const [host, , response, , , , recipients, secured] = Array.isArray(params) ? params : [];
    const make = (_recipient, deferrals) => ({
        type: 'delivered',
        attempt: deferrals + 1,
        mx_host: text(host, LIMITS.host),
        status_message: text(response, LIMITS.reply), // Haraka removes the code
        tls: secured === true ? 'TLS' : null
    });
    return outboundEvents(hmail, recipients, make, at);
}

/** The remote server's reply for one recipient, or Haraka's error of the whole attempt. */
function remoteFields(recipient, fallback, mx) {
    const reply = text(recipient?.reason, LIMITS.reply) || text(fallback, LIMITS.reply);
    const host = text(recipient?.dsn_remote_mta, LIMITS.host) || text(mx?.exchange, LIMITS.host);
    return {
        mx_host: host,
        status_code: replyCode(reply),
        status_message: reply,
        bounce_message: reply
    };
}

/** `deferred`: {delay, err} and, when only some recipients were, fail_recips and mx */
function deferredEvents(hmail, params, at) {
    const recipients = params?.fail_recips || hmail?.todo?.rcpt_to;
    const make = (recipient, deferrals) => ({
        type: 'deferred',
        n: deferrals,
        attempt: deferrals,
        bounce_type: 'soft',
        ...remoteFields(recipient, params?.err, params?.mx)
    });
    return outboundEvents(hmail, recipients, make, at);
}

/** `bounce`: an Error with, when recipients were refused by name, bounced_rcpt and mx */
function bouncedEvents(hmail, error, at) {
    const recipients = error?.bounced_rcpt || hmail?.todo?.rcpt_to;
    const make = (recipient, deferrals) => {
        const fields = remoteFields(recipient, error?.message, error?.mx);
        return { type: 'bounced', attempt: deferrals + 1, bounce_type: hardOrSoft(fields.status_code), ...fields };
    };
    return outboundEvents(hmail, recipients, make, at);
}

module.exports = { bouncedEvents, connectionEvents, deferredEvents, deliveredEvents, denial, oversizedEvents, transactionEvents };
