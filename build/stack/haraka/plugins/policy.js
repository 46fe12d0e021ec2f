'use strict';

// The rules of the tests' mail server: the address decides.

exports.hook_connect = function (next, connection) {
    if (connection.remote.ip === '203.0.113.66') {
        return next(DENYDISCONNECT, 'your address is listed');
    }
    next();
};

exports.hook_mail = function (next, connection, params) {
    if (params[0].user === 'spammer') {
        return next(DENY, 'sender refused by policy');
    }
    next();
};

exports.hook_rcpt = function (next, connection, params) {
    const kind = String(params[0].user).split('-')[0];
    switch (kind) {
        case 'unknown':
            return next(DENY, 'no such user');
        case 'temp':
            return next(DENYSOFT, 'mailbox is busy, try again');
        case 'kicked':
            return next(DENYDISCONNECT, 'go away');
        case 'nobody':
            return next(); // no plugin wants it: Haraka refuses by itself
        case 'relay':
            connection.relaying = true;
    }
    next(OK);
};

exports.hook_data = function (next, connection) {
    const refused = connection.transaction.rcpt_to.some(rcpt => rcpt.user.startsWith('nodata'));
    return refused ? next(DENY, 'no data for this one') : next();
};
