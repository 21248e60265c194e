import { CacheRegion } from 'dogpile-cache';

const { configure } = CacheRegion.prototype;
/** In place of the file that is shared, nothing: whoever asks creates, beside whoever does already. */
CacheRegion.prototype.configure = function (name, { expirationTime } = {}) {
  return configure.call(this, name === 'file' ? 'null' : name, { expirationTime });
};
