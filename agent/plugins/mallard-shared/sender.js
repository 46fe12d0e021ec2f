'use strict';

/**
 * Bounded buffer of events and their sender: POSTs of a JSON array, one at a time.
 *
 * A batch without a 202 is retained and sent again; the events' ids make that harmless.
 *
 *   unreachable (no socket, refused), 429, 503   retried; only the bound drops, oldest first
 *   no response, or a broken connection          retried for `patienceMs`, then dropped
 *   an invalid response, 5xx                     retried `tries` times, then dropped
 *   any other 4xx                                dropped: the same bytes would be refused again
 *
 * Every drop is counted by its reason and reported in a header. Nothing here throws into a timer or
 * a socket callback: in ZoneMTA and Haraka that ends the process, and its mail sessions with it.
 */

const http = require('node:http');
const https = require('node:https');
const { text } = require('./text');

const UNREACHABLE_CODES = new Set([
    'EACCES', // the socket's mode: an operator can fix it
    'EAI_AGAIN',
    'ECONNREFUSED',
    'EHOSTDOWN',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOENT', // the agent has not created its socket yet
    'ENOTFOUND',
    'ENOTSOCK',
    'EPERM'
]);
const AGENT_PATH = '/v1/events';
const MAX_BACKOFF_FACTOR = 5;
const MAX_RETRY_AFTER_MS = 60 * 1000;
const MAX_ANSWER_BYTES = 64 * 1024;
const IDLE_CONNECTION_MS = 15 * 1000; // a receiver has few connections, a mail program many processes
const LAST_WRITE_BYTES = 128 * 1024; // what the kernel takes at once from an ending process
const REPORT_INTERVAL_MS = 60 * 1000;

/** A queue with cheap ends: Array.shift() of 10 000 strings costs more than an event. */
class Fifo {
    constructor() {
        this.items = [];
        this.head = 0;
    }

    get length() {
        return this.items.length - this.head;
    }

    push(item) {
        this.items.push(item);
    }

    take(count) {
        const taken = this.items.slice(this.head, this.head + count);
        this.head += taken.length;
        if (this.head > 1024 && this.head * 2 > this.items.length) {
            this.items = this.items.slice(this.head);
            this.head = 0;
        }
        return taken;
    }
}

class Sender {
    /** @param {object} options numbers and target of options.js; name, label and log as of Reporter */
    constructor(options) {
        this.options = options;
        this.log = options.log;
        this.now = options.now || Date.now;

        this.buffer = new Fifo(); // events as JSON text
        this.batch = []; // of the present request, or waiting for a retry
        this.busy = false; // a request is in progress
        this.failures = 0; // of this batch, in a row
        this.badAnswers = 0;
        this.silentSince = null; // time of this batch's first missing response
        this.timer = null;
        this.draining = false;
        this.unreachable = false;

        this.accepted = 0;
        this.refused = 0; // single events of accepted batches
        this.dropped = {}; // reason → events, since the process began
        this.reported = new Map(); // kind of message → time of its last log line

        const target = options.target;
        const secure = Boolean(target.url && target.url.protocol === 'https:');
        this.transport = secure ? https : http;
        this.agent = new this.transport.Agent({ keepAlive: true, maxSockets: 1, timeout: IDLE_CONNECTION_MS });
        this.request = {
            agent: this.agent,
            method: 'POST',
            ...(target.url
                ? {
                      host: target.url.hostname.replace(/^\[|\]$/g, ''),
                      port: target.url.port || undefined,
                      path: target.url.pathname
                  }
                : { socketPath: target.socketPath, path: AGENT_PATH })
        };
        this.headers = {
            Host: target.url ? target.url.host : 'localhost',
            'Content-Type': 'application/json',
            'User-Agent': 'mallard-' + headerValue(options.name),
            'X-Mallard-Process': headerValue(options.label)
        };
        if (target.key) {
            this.headers.Authorization = 'Bearer ' + target.key;
        }
        this.where = target.url ? target.url.href : target.socketPath;
        // Only an agent accepts readings of a process.
        this.readingsPath = this.request.path.endsWith(AGENT_PATH) ? this.request.path.replace(/events$/, 'readings') : null;
    }

    get droppedCount() {
        return Object.values(this.dropped).reduce((sum, count) => sum + count, 0);
    }

    get waiting() {
        return this.buffer.length + this.batch.length;
    }

    /** Queues events; returns at once, whatever the state of the receiver. */
    add(events) {
        for (const event of events) {
            this.buffer.push(JSON.stringify(event));
        }
        const over = this.waiting - this.options.bufferEvents;
        if (over > 0) {
            this.buffer.take(over);
            this.drop(over, 'buffer full');
        }
        this.schedule();
    }

    /** Counts events that will never be sent. */
    drop(count, reason) {
        this.dropped[reason] = (this.dropped[reason] || 0) + count;
        this.report('error', 'drop ' + reason, `${count} event(s) dropped: ${reason}; ${this.droppedCount} since start`);
    }

    /** Send events without lingering from now on: the process is about to end. */
    drain() {
        this.draining = true;
        if (!this.busy && !this.failures) {
            this.clearTimer();
            this.schedule();
        }
    }

    /**
     * Writes the remaining events into an open connection just before the process ends, when no
     * callback will run again. The receiver still reads the bytes that the kernel takes.
     *
     * @returns {number} events that could not be written
     */
    lastWrite() {
        const left = [...(this.busy ? [] : this.batch), ...this.buffer.take(this.buffer.length)];
        this.batch = [];
        const socket = left.length ? this.openSocket() : null;
        if (!socket) {
            return left.length;
        }
        let bytes = 2;
        let count = 0;
        while (count < left.length && bytes + Buffer.byteLength(left[count]) + 1 <= LAST_WRITE_BYTES) {
            bytes += Buffer.byteLength(left[count]) + 1;
            count++;
        }
        const body = Buffer.from('[' + left.slice(0, count).join(',') + ']');
        const head = Object.entries(this.requestHeaders(body)).map(([name, value]) => `${name}: ${value}\r\n`);
        socket.write(Buffer.concat([Buffer.from(`POST ${this.request.path} HTTP/1.1\r\n${head.join('')}\r\n`), body]));
        return left.length - count;
    }

    openSocket() {
        const pools = [this.agent.freeSockets, this.agent.sockets];
        return pools.flatMap(pool => Object.values(pool).flat()).find(socket => socket.writable && !socket.connecting && !socket.destroyed);
    }

    schedule() {
        if (this.busy || !this.waiting) {
            return;
        }
        const full = this.draining || this.buffer.length >= this.options.batchEvents;
        if (!this.timer) {
            this.setTimer(full ? 0 : this.options.batchMs);
        } else if (full && this.timerIsLinger) {
            this.clearTimer();
            this.setTimer(0);
        }
    }

    setTimer(delayMs, isBackoff = false) {
        this.timerIsLinger = !isBackoff && delayMs > 0;
        this.timer = setTimeout(() => {
            this.timer = null;
            this.guard(() => this.post());
        }, delayMs);
        this.timer.unref();
    }

    clearTimer() {
        clearTimeout(this.timer);
        this.timer = null;
    }

    /** Runs a callback so that no bug of this plugin can end the mail process. */
    guard(callback) {
        try {
            callback();
        } catch (error) {
            this.report('error', 'bug', `unexpected ${error && error.stack}`);
            if (this.busy) {
                this.applyOutcome({ kind: 'bad', reason: 'unexpected error' });
            }
        }
    }

    requestHeaders(body) {
        // Cumulative since the process began, so that a lost request loses no count.
        return {
            ...this.headers,
            // The server corrects the times in the body by it.
            Date: new Date(this.now()).toUTCString(),
            'Content-Length': body.length,
            'X-Mallard-Dropped': this.droppedCount
        };
    }

    post(again = false) {
        if (!this.batch.length) {
            this.batch = this.buffer.take(this.options.batchEvents);
        }
        if (this.busy || !this.batch.length) {
            return;
        }
        this.busy = true;
        const apply = outcome => {
            if (outcome.closedIdle && !again) {
                this.busy = false;
                this.post(true);
            } else {
                this.applyOutcome(outcome);
            }
        };
        const body = Buffer.from('[' + this.batch.join(',') + ']');
        this.exchange(this.request.path, body, outcome => this.guard(() => apply(outcome)));
    }

    /** POSTs a body and calls `done` once with the outcome: at a deadline, if there is no response. */
    exchange(path, body, done) {
        let over = false;
        let deadline = null;
        const request = this.transport.request({ ...this.request, path, headers: this.requestHeaders(body) });
        const finish = outcome => {
            if (!over) {
                over = true;
                clearTimeout(deadline);
                done(outcome);
            }
        };
        const setDeadline = finishLate => {
            clearTimeout(deadline);
            deadline = setTimeout(() => {
                finishLate();
                request.destroy();
            }, this.options.timeoutMs);
            deadline.unref();
        };
        setDeadline(() => finish({ kind: 'silent', reason: `no response within ${this.options.timeoutMs} ms` }));
        // These listeners stay: an error event without one would end the process.
        request.on('error', error => finish(outcomeOfError(error, request.reusedSocket)));
        request.on('socket', socket => socket.unref());
        request.on('response', response => {
            const chunks = [];
            let size = 0;
            const finishResponse = () => finish(outcomeOfAnswer(response, Buffer.concat(chunks).toString('utf8')));
            response.on('error', finishResponse);
            response.on('end', finishResponse);
            response.on('close', finishResponse);
            response.on('data', chunk => {
                size += chunk.length;
                if (size > MAX_ANSWER_BYTES) {
                    finishResponse();
                    request.destroy();
                } else {
                    chunks.push(chunk);
                }
            });
            if (response.statusCode === 202) {
                setDeadline(finishResponse); // accepted: an endless body must not cause another send
            }
        });
        request.end(body);
    }

    /** Applies the outcome to the batch. */
    applyOutcome(outcome) {
        this.busy = false;
        const count = this.batch.length;
        switch (outcome.kind) {
            case 'accepted':
                this.accepted += count - outcome.refused.length;
                this.refused += outcome.refused.length;
                if (outcome.refused.length) {
                    this.report('error', 'refused', `${outcome.refused.length} event(s) refused: ${outcome.refused[0]}`);
                }
                if (this.unreachable) {
                    this.unreachable = false;
                    this.report('info', 'again', `${this.where} responds again, ${this.buffer.length} event(s) waiting`);
                }
                return this.next();
            case 'refused':
                this.drop(count, outcome.reason);
                return this.next();
            case 'bad':
                this.badAnswers++;
                if (this.badAnswers >= this.options.tries) {
                    this.drop(count, outcome.reason);
                    return this.next();
                }
                break;
            case 'silent':
                this.silentSince = this.silentSince === null ? this.now() : this.silentSince;
                if (this.now() - this.silentSince >= this.options.patienceMs) {
                    this.drop(count, outcome.reason);
                    return this.next();
                }
                break;
            default: // unreachable or too busy: not the batch's fault
        }
        this.unreachable = true;
        this.failures++;
        this.report('error', 'unreachable', `${this.where}: ${outcome.reason}; ${this.waiting} event(s) buffered, mail goes on`);
        const grown = outcome.kind === 'bad' ? 1 : Math.min(2 ** (this.failures - 1), MAX_BACKOFF_FACTOR);
        this.setTimer(Math.max(this.options.backoffMs * grown, outcome.retryAfterMs || 0), true);
        return undefined;
    }

    /** Ends the batch and schedules the next. */
    next() {
        this.batch = [];
        this.failures = 0;
        this.badAnswers = 0;
        this.silentSince = null;
        this.schedule();
    }

    /** Logs at most one message of a kind a minute. */
    report(level, kind, message) {
        const last = this.reported.get(kind);
        const now = this.now();
        if (last === undefined || now - last >= REPORT_INTERVAL_MS) {
            this.reported.set(kind, now);
            this.log(level, text(message, 600) || kind);
        }
    }
}

/** `closedIdle`: the receiver had closed the idle connection that was used again. */
function outcomeOfError(error, isReused) {
    const code = error && typeof error.code === 'string' ? error.code : '';
    const reason = code || String(error && error.message);
    if (UNREACHABLE_CODES.has(code)) {
        return { kind: 'away', reason };
    }
    if (code.startsWith('HPE_') || /CERT|SSL|TLS/.test(code)) {
        return { kind: 'bad', reason: 'invalid response: ' + reason };
    }
    const closedIdle = isReused && ['ECONNRESET', 'EPIPE'].includes(code);
    return { kind: 'silent', reason: 'connection lost: ' + reason, closedIdle };
}

function outcomeOfAnswer(response, body) {
    const status = response.statusCode;
    const reason = 'response ' + status;
    if (status === 202) {
        return { kind: 'accepted', refused: refusals(body) };
    }
    if (status === 429 || status === 503) {
        const seconds = Number(response.headers['retry-after']);
        const retryAfterMs = seconds > 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : 0;
        return { kind: 'away', reason, status, retryAfterMs };
    }
    if (status >= 400 && status < 500 && status !== 408) {
        return { kind: 'refused', reason, status };
    }
    return { kind: 'bad', reason, status };
}

/** @returns {string[]} reasons of single refused events of an accepted batch */
function refusals(body) {
    try {
        const { rejected } = JSON.parse(body);
        return Array.isArray(rejected) ? rejected.map(item => text(item && item.error, 200) || 'no reason given') : [];
    } catch {
        return []; // the status means acceptance; the body only has the count
    }
}

function headerValue(label) {
    return String(label).replace(/[^\w./:-]+/g, '_').slice(0, 64);
}

module.exports = { Sender, headerValue };
