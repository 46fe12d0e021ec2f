'use strict';

/** Receivers that listen on a unix socket: one that takes, and ones that misbehave. */

const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

function aSocketPath(t) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mallard-'));
    t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
    return path.join(folder, 'receiver.sock');
}

function closing(t, server) {
    const sockets = new Set();
    server.on('connection', socket => {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => sockets.delete(socket));
    });
    const close = () =>
        new Promise(resolve => {
            sockets.forEach(socket => socket.destroy());
            server.close(resolve);
        });
    t.after(close);
    return close;
}

/**
 * @param {(request: object, count: number) => [number, object?, object?]|null} answer status, body
 *     and headers for the n-th request; null leaves it without an answer
 */
async function aReceiver(t, socketPath, answer = () => [202]) {
    const requests = [];
    const server = http.createServer((request, response) => {
        const chunks = [];
        request.on('data', chunk => chunks.push(chunk));
        request.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            const seen = { method: request.method, path: request.url, headers: request.headers, events: JSON.parse(text) };
            requests.push(seen);
            const reply = answer(seen, requests.length);
            if (reply) {
                const [status, body, headers] = reply;
                response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
                response.end(JSON.stringify(body || { queued: seen.events.length, rejected: [] }));
            }
        });
    });
    const close = closing(t, server);
    await new Promise(resolve => server.listen(socketPath, resolve));
    return { requests, close, server, events: () => requests.flatMap(request => request.events) };
}

/** Accepts connections and passes them to `onConnection`, which does nothing by default. */
async function aStrangeListener(t, socketPath, onConnection = () => {}) {
    let connections = 0;
    const server = net.createServer(socket => {
        connections++;
        socket.on('data', () => {});
        onConnection(socket);
    });
    const close = closing(t, server);
    await new Promise(resolve => server.listen(socketPath, resolve));
    return { close, connections: () => connections };
}

/** Resolves when `condition` holds; rejects after the deadline, which stretches with the load. */
async function until(condition, what, deadlineMs = 5000) {
    const begin = process.hrtime.bigint();
    while (!condition()) {
        const factor = Math.min(Math.max(os.loadavg()[0] / os.cpus().length, 1), 10);
        if (process.hrtime.bigint() - begin > BigInt(Math.round(deadlineMs * factor)) * 1000000n) {
            throw new Error('never came: ' + what);
        }
        await new Promise(resolve => setTimeout(resolve, 2));
    }
}

module.exports = { aReceiver, aSocketPath, aStrangeListener, until };
