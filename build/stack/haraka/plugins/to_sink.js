'use strict';

// Mail that Haraka itself sends goes to the sink, wherever it is addressed.

exports.hook_get_mx = function (next) {
    const { port } = this.config.get('smtp_forward.ini').main;
    next(OK, { exchange: '127.0.0.1', port, priority: 0 });
};
