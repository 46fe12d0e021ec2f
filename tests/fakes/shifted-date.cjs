// Loaded first (`node --require`), it makes the clock of a program differ by SHIFT_S seconds.
'use strict';

const shiftMs = 1000 * Number(process.env.SHIFT_S || 0);

globalThis.Date = new Proxy(Date, {
    construct(real, args) {
        return args.length ? new real(...args) : new real(real.now() + shiftMs);
    },
    apply(real) {
        return new real(real.now() + shiftMs).toString();
    },
    get(real, name) {
        return name === 'now' ? () => real.now() + shiftMs : Reflect.get(real, name);
    }
});
