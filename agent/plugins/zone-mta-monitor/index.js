'use strict';

/**
 * ZoneMTA plugin: hands what becomes of each message to Mallard's agent. README.md says how to
 * install it. This file only loads the rest: a plugin that cannot be loaded makes ZoneMTA refuse
 * mail, so what is missing is said in its log instead.
 */

const NAME = 'Mallard';

module.exports.title = 'Mallard monitor';

/**
 * @param {object} app what ZoneMTA gives a plugin: config, logger, addHook
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
            // nothing is left to say it with
        }
    }
    if (typeof done === 'function') {
        done();
    }
    return plugin;
};
