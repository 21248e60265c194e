import { CacheRegion } from 'dogpile-cache';

const { configure } = CacheRegion.prototype;
/** A file that nobody shares: each process creates for itself. */
CacheRegion.prototype.configure = function (name, { expirationTime } = {}) {
  return configure.call(this, name === 'file' ? 'memory' : name, { expirationTime });
};
