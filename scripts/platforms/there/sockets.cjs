// Wine 8 refuses to open a connection on which keep-alive was asked for before, as `fetch` does; Windows does not.
require("node:net").Socket.prototype.setKeepAlive = function () {
  return this;
};
