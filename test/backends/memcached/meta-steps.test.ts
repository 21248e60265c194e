/**
 * `lease: 'key'`, command by command: a commit that comes between any two commands of a delete or a set, and a delete or a set between any
 * two of a commit. The server knows no step over two keys; what was stored by who is overruled must be gone in the end all the same.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CacheBackend, Lease } from '../../../src/api.js';
import { memcachedBackend } from '../../../src/backends/memcached.js';
import { ValueTooLargeError } from '../../../src/errors.js';
import { startMemcached } from '../../services/memcached.js';
import { ask } from '../../services/server.js';
import { until } from '../../support/wait.js';
import { inSteps } from './support/steps.js';

/** Of a delete or a set, and of a commit: no more commands than that are looked between. */
const STEPS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

const entry = (text: string) => Buffer.from(`{"ct":1767225600,"v":2}|${JSON.stringify(text)}`);

/** Two processes as far as the server can tell; the first one's commands are told before they are sent. */
async function setUp({ lockTimeout = '10s' } = {}) {
  const server = await startMemcached();
  onTestFinished(() => server.stop());
  let told: (command: string) => Promise<unknown> = async () => {};
  const { url } = await inSteps(server.port, (command) => told(command));
  const open = (to: string): CacheBackend<Uint8Array> => {
    const backend = memcachedBackend({ url: to, lease: 'key', timeout: '30s', lockTimeout });
    onTestFinished(async () => backend.close?.());
    return backend;
  };
  const [watched, other] = [open(url), open(server.url)];
  await watched.get('k');
  return {
    watched,
    other,
    there: (name: string) => ask(server.port, `mg ${name} v\r\n`),
    port: server.port,
    /** The CAS number of an item, if there is one. */
    numberOf: async (name: string) => / c(\d+)/.exec(await ask(server.port, `mg ${name} c\r\n`))?.[1],
    /** Runs something of the first, and what is to be done before its n-th command; after all of them, where there are fewer. */
    between: async <T>(
      step: number,
      run: () => Promise<T>,
      intrude: () => Promise<unknown>,
      before: (command: string) => Promise<unknown> = async () => {},
    ): Promise<T> => {
      let at = 0;
      let isDone = false;
      const once = async () => {
        if (isDone) return;
        isDone = true;
        await intrude();
      };
      told = async (command) => {
        await before(command);
        if (at++ === step) await once();
      };
      const result = await run();
      told = async () => {};
      await once();
      return result;
    },
  };
}

async function won(backend: CacheBackend<Uint8Array>): Promise<Lease> {
  const lease = await backend.mutex?.('k')?.acquire({ wait: false });
  if (lease) return lease;
  throw new Error('It is not won.');
}

const NOTHING = 'EN\r\n';

describe.each(STEPS)('what was won before, and is committed and given back before command %i', (step) => {
  it('of a delete, is gone with it', async () => {
    const { watched, other, there, between } = await setUp();
    let lease: Lease | undefined;
    await between(
      step,
      async () => watched.delete('k'),
      async () => lease && other.set('k', entry('from before'), { lease }),
      // As late as can be: right before the key is first removed.
      async (command) => {
        if (/^md k\b/.test(command)) lease ??= await won(other);
      },
    );
    expect(lease).toBeDefined();
    expect([await there('k'), await there('_lockk')]).toEqual([NOTHING, NOTHING]);
  });

  it('of a delete, is gone with it, also where the lock is renewed, or given back and won by another, before it is removed', async () => {
    const { watched, other, there, between, numberOf } = await setUp({ lockTimeout: '300ms' });
    const lease = await won(other);
    const number = await numberOf('_lockk');
    let next: Lease | undefined;
    await between(
      step,
      async () => watched.delete('k'),
      async () => {
        await other.set('k', entry('from before'), { lease });
        next = await other.mutex?.('k')?.acquire({ wait: false });
      },
      async (command) => {
        if (command.startsWith('md _lockk')) await until(async () => (await numberOf('_lockk')) !== number);
      },
    );
    await next?.release();
    expect([await there('k'), await there('_lockk')]).toEqual([NOTHING, NOTHING]);
  });

  it('of a set, does not stand in its way', async () => {
    const { watched, other, there, between } = await setUp();
    const lease = await won(other);
    await between(
      step,
      async () => watched.set('k', entry('said')),
      async () => other.set('k', entry('from before'), { lease }),
    );
    expect(await there('k')).toContain('said');
    expect(await there('_lockk')).toBe(NOTHING);
  });

  it('of a set that is too large, is gone as what was there before', async () => {
    const { watched, other, there, between } = await setUp();
    const lease = await won(other);
    await between(
      step,
      async () => expect(watched.set('k', Buffer.alloc(1_500_000, 'x'))).rejects.toThrow(ValueTooLargeError),
      async () => other.set('k', entry('from before'), { lease }),
    );
    expect([await there('k'), await there('_lockk')]).toEqual([NOTHING, NOTHING]);
  });
});

describe.each(STEPS)('before command %i of a commit', (step) => {
  it('a delete is final', async () => {
    const { watched, other, there, between } = await setUp();
    const lease = await won(watched);
    await between(
      step,
      async () => watched.set('k', entry('from before'), { lease }),
      async () => other.delete('k'),
    );
    expect([await there('k'), await there('_lockk')]).toEqual([NOTHING, NOTHING]);
  });

  it('a set stays', async () => {
    const { watched, other, there, between } = await setUp();
    const lease = await won(watched);
    await between(
      step,
      async () => watched.set('k', entry('from before'), { lease }),
      async () => other.set('k', entry('said')),
    );
    expect(await there('k')).toContain('said');
    expect(await there('_lockk')).toBe(NOTHING);
  });
});

it('a delete is three commands, five where it finds a lock of ours, three where it is of another program', async () => {
  const { watched, other, there, between, port } = await setUp();
  const commandsOfDelete = async () => {
    const commands: string[] = [];
    const record = async (command: string) => void commands.push(command.replace(/C\d+/, 'C'));
    await between(
      0,
      async () => watched.delete('k'),
      async () => {},
      record,
    );
    return commands;
  };
  const look = ['md k', 'mg _lockk v c', 'md k'];
  expect(await commandsOfDelete()).toEqual(look);
  await won(other);
  expect(await commandsOfDelete()).toEqual([...look, 'md _lockk C', 'md k']);
  await ask(port, 'add _lockk 0 0 1\r\n1\r\n');
  expect(await commandsOfDelete()).toEqual(look);
  expect(await there('_lockk')).toMatch(/\r\n1\r\n$/);
});
