/** What has to be installed, said before anything is started. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PACKAGES = ['an-array-of-english-words', 'lmdb', 'fs-native-extensions'];

export function requirePackages() {
  if (!isThere('dogpile-cache')) throw new Error('The library is not built. Build it first: npm run build');
  const missing = PACKAGES.filter((name) => !isThere(name));
  if (missing.length > 0) throw new Error(`Not installed: ${missing.join(', ')}. Install what is needed first: npm ci`);
}

function isThere(name) {
  try {
    return existsSync(fileURLToPath(import.meta.resolve(name)));
  } catch {
    return false;
  }
}
