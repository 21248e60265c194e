/** Child processes with a region over memcached: started, told what to do and killed by a test, gone when it is over. */
import { join } from 'node:path';
import type { ConfigureOptions } from '../../../../src/api.js';
import type { MemcachedArguments } from '../../../../src/backends/memcached.js';
import { builtPath } from '../../../support/built.js';
import { type Child, crowd, forkChild } from '../../../support/children.js';

export { type Child, crowd };

export async function startChild(args: MemcachedArguments & { readonly policy?: ConfigureOptions }): Promise<Child> {
  return forkChild(join(import.meta.dirname, 'meta-child.mjs'), { built: await builtPath(), ...args });
}
