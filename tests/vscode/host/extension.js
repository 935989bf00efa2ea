// The tests in the extension host must belong to an extension; this one does nothing.
exports.activate = () => {};
