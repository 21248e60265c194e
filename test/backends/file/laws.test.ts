import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { CacheMutex } from '../../../src/api.js';
import { type FileArguments, fileBackend } from '../../../src/backends/file.js';
import { LocalLocks } from '../../../src/lock/local-locks.js';
import { prove } from '../../conformance/support/prove.js';

const root = mkdtempSync(join(tmpdir(), 'dogpile-file-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

function options(more: Omit<FileArguments, 'filename'> = {}) {
  /** The last one made: `second` and `lapsing` open it once more. */
  let filename = '';
  return {
    create: () => {
      filename = join(root, `${++made}.db`);
      return fileBackend({ filename, ...more });
    },
    second: () => fileBackend({ filename, ...more }),
    lapsing: () => fileBackend({ filename, ...more, lockMaxHold: '200ms' }),
  };
}

// As it is, and through proxies: test/conformance/file.test.ts.
prove('the file backend, waiting for the disk', options({ sync: true }));

prove('[py 217] the file backend without a lock of its own', {
  create: options({ distributedLock: false }).create,
});

prove('[py 215, 218, 219] the file backend with a lock of the user', {
  create: () => {
    const locks = new LocalLocks();
    const mutex = (key: string): CacheMutex => ({
      locked: () => locks.locked(key),
      acquire: (how) => locks.acquire(key, how),
    });
    return options({ mutex }).create();
  },
  except: {
    'generations: a commit is refused after a hard invalidation, and another may take over':
      'A lock of the user knows nothing of generations: who holds it keeps it until he releases it.',
  },
});
