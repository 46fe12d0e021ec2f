'use strict';

/** Objects in the shapes of Haraka 3.3.4, as far as the plugin reads them. */

const { AT } = require('../../zone-mta-monitor/test/samples');

const UUID = '567146AF-08B8-4B46-B9BA-4A51627122B3';

function aConnection(changes) {
    return {
        uuid: UUID,
        remote: { ip: '203.0.113.9' },
        tls: { enabled: false, cipher: {} },
        notes: {},
        results: { get: () => undefined },
        tran_count: 1,
        last_response: `250 Message stored (${UUID}.1)\r\n`,
        last_reject: '',
        transaction: null,
        ...changes
    };
}

/** @param {object} changes `store` is what results.get() finds */
function aTransaction({ store, ...changes } = {}) {
    const found = { rcpt_to: { recipient: [{ address: 'bob@local.example', action: 'accept' }] }, ...store };
    return {
        uuid: UUID + '.1',
        mail_from: { address: 'alice@sender.example' },
        rcpt_to: [{ address: 'bob@local.example' }],
        data_bytes: 1003,
        data_post_start: AT - 40,
        msg_status: 'accepted',
        header: { get: name => (name === 'Message-ID' ? '<one@sender.example>\n' : '') },
        notes: {},
        results: { get: name => found[name] },
        ...changes
    };
}

module.exports = { UUID, aConnection, aTransaction };
