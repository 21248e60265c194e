import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Awaitable, CacheBackend } from '../../src/api.js';
import { type FileArguments, fileBackend } from '../../src/backends/file.js';
import { CompressionProxy } from '../../src/proxies/compression.js';
import { KeyPrefixProxy } from '../../src/proxies/key-prefix.js';
import { LoggingProxy } from '../../src/proxies/logging.js';
import { ProxyBackend } from '../../src/proxy.js';
import type { ConformanceOptions } from '../../src/testing/index.js';
import { prove } from './support/prove.js';

let folder = '';
const folders: string[] = [];
afterAll(async () => {
  for (const each of folders) await rm(each, { recursive: true, force: true });
});

/** A file for each law, and whatever is wanted over it. */
function fileOptions(wrap: (backend: CacheBackend) => CacheBackend = (backend) => backend): ConformanceOptions {
  const open = (more: Partial<FileArguments> = {}) =>
    wrap(fileBackend({ filename: join(folder, 'cache'), lockSleep: 5, ...more }));
  return {
    create: async (): Promise<CacheBackend> => {
      folder = await mkdtemp(join(tmpdir(), 'dogpile-cache-test-'));
      folders.push(folder);
      return open();
    },
    second: (): Awaitable<CacheBackend> => open(),
    lapsing: () => open({ lockTimeout: '300ms', lockMaxHold: '100ms' }),
  } as ConformanceOptions;
}

prove('[py 167-203, 214] file, and a second backend over it', fileOptions());
prove(
  '[py 216] file through a plain proxy',
  fileOptions((backend) => ProxyBackend.wrap(new ProxyBackend(), backend)),
);
prove(
  'file through key prefix',
  fileOptions((backend) => ProxyBackend.wrap(new KeyPrefixProxy('shop:'), backend)),
);
prove(
  'file through logging',
  fileOptions((backend) => ProxyBackend.wrap(new LoggingProxy({ debug: () => {} }), backend)),
);
prove(
  'file through compression',
  fileOptions((backend) => ProxyBackend.wrap(new CompressionProxy({ threshold: 16 }) as ProxyBackend, backend)),
);
