// The host's tests need an extension to belong to; it does nothing.
exports.activate = () => {};
