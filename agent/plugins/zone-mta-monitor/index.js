'use strict';

/**
 * ZoneMTA plugin: reports the outcome of each message to Mallard's agent. Installation: README.md.
 * This file only loads the rest: a plugin that cannot be loaded makes ZoneMTA refuse mail, so a
 * missing file is logged instead.
 */

const NAME = 'Mallard';

module.exports.title = 'Mallard monitor';

/**
 * @param {object} app ZoneMTA's interface for a plugin: config, logger, addHook
 * @param {() => void} [done] absent when the caller awaits the promise of an async init
 */
module.exports.init = (app, done) => {
    let plugin = null;
    try {
        const { Plugin } = require('./plugin');
        plugin = new Plugin(app, process, Date.now);
    } catch (error) {
        try {
            const hint = error.code === 'MODULE_NOT_FOUND' ? 'copy the folder mallard-shared beside this one. ' : '';
            app.logger.error(NAME, 'not started, mail goes on: %s%s', hint, error.stack);
        } catch {
            // no logger
        }
    }
    if (typeof done === 'function') {
        done();
    }
    return plugin;
};
