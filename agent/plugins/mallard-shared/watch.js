'use strict';

/**
 * Watching a property of another program's object: what no hook reports may still be stored there.
 * The object behaves as before.
 *
 * @param {object} object
 * @param {string} name of a property that is assigned
 * @param {(value: unknown) => void} seen called after each assignment; what it throws stays here
 */
function watch(object, name, seen) {
    let current = object[name];
    Object.defineProperty(object, name, {
        configurable: true,
        enumerable: true,
        get: () => current,
        set(value) {
            current = value;
            try {
                seen(value);
            } catch {
                // the assigning program must not see it
            }
        }
    });
}

module.exports = { watch };
