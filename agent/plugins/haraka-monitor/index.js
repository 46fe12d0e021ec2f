'use strict';

/**
 * Haraka plugin: reports the outcome of each recipient to Mallard's agent. Installation: README.md.
 * This file only loads the rest: a plugin that cannot be loaded keeps Haraka from starting, so a
 * missing file is logged instead.
 *
 * Haraka copies these exports into a plugin object of its own and calls them on that.
 */

exports.register = function () {
    try {
        const { Plugin } = require('./plugin');
        this.mallard = new Plugin(this, process, Date.now);
    } catch (error) {
        try {
            const hint = error.code === 'MODULE_NOT_FOUND' ? 'copy the folder mallard-shared beside this one. ' : '';
            this.logerror(`Mallard not started, mail goes on: ${hint}${error.stack}`);
        } catch {
            // no logger
        }
    }
};

// Haraka calls methods by their name. Each calls next(), in plugin.js, without arguments: on `deny`,
// next(OK) would take the refusal back.
for (const name of [
    'on_connect_init',
    'on_deny',
    'on_reset_transaction',
    'on_disconnect',
    'on_delivered',
    'on_deferred',
    'on_bounce',
    'on_log'
]) {
    exports[name] = function (next, subject, params) {
        if (!this.mallard) {
            return next(); // a line that is logged before register() ends
        }
        this.mallard.handle(name, next, subject, params);
    };
}

/** Called when Haraka shuts its plugins down. */
exports.shutdown = function () {
    if (this.mallard) {
        this.mallard.shutdown();
    }
};
