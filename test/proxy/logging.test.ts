import { describe, expect, it } from 'vitest';
import { CachedValue, type Lease } from '../../src/api.js';
import { memoryBackend } from '../../src/backends/memory.js';
import { ValidationError } from '../../src/errors.js';
import { LoggingProxy } from '../../src/proxies/logging.js';
import { wrapBackend } from '../../src/proxy.js';
import { makeRegion } from '../../src/region/region.js';
import { FencedBackend, LaterBackend, SharedStore } from '../region/support/later-backend.js';

const entry = new CachedValue(1, { ct: 1, v: 2 });
const logger = () => {
  const lines: string[] = [];
  return { lines, debug: (line: string) => void lines.push(line.replace(/\d+\.\d\d ms$/, 'N ms')) };
};

describe('logging', () => {
  it('says of each verb its key, what came of it and how long it took, at once and later', async () => {
    for (const backend of [memoryBackend(), new LaterBackend()]) {
      const log = logger();
      const region = makeRegion().configure(backend, { wrap: [new LoggingProxy(log)] });
      await region.get('k');
      await region.set('k', 1);
      await region.get('k');
      await region.delete('k');
      expect(log.lines).toEqual([
        'dogpile-cache get "k": miss in N ms',
        'dogpile-cache set "k": stored in N ms',
        'dogpile-cache get "k": hit in N ms',
        'dogpile-cache delete "k": done in N ms',
      ]);
    }
  });

  it('says of many one by one', async () => {
    const log = logger();
    const region = makeRegion().configure(memoryBackend(), { wrap: [new LoggingProxy(log)] });
    await region.setMulti({ a: 1, b: 2 });
    await region.getMulti(['a', 'c']);
    await region.deleteMulti(['a', 'b']);
    expect(log.lines.map((line) => line.split(':')[0])).toEqual([
      'dogpile-cache set "a"',
      'dogpile-cache set "b"',
      'dogpile-cache get "a"',
      'dogpile-cache get "c"',
      'dogpile-cache delete "a"',
      'dogpile-cache delete "b"',
    ]);
  });

  it('tells the write of a creation from a set, and a refused one from a stored one', async () => {
    const log = logger();
    const proxy = wrapBackend(new LoggingProxy(log), new FencedBackend(new SharedStore()));
    const lease = (await proxy.mutex('k')?.acquire()) as Lease;
    await proxy.set('k', entry, { lease });
    await proxy.set('k', entry, { lease });
    expect(log.lines).toEqual([
      'dogpile-cache commit "k": stored in N ms',
      'dogpile-cache commit "k": refused in N ms',
    ]);
  });

  it('says what failed, and lets it out', async () => {
    for (const fail of [
      () => Promise.reject(new Error('gone')),
      () => {
        throw new Error('gone');
      },
    ]) {
      const log = logger();
      const backend = Object.assign(new LaterBackend(), { get: fail, set: fail, delete: fail });
      const proxy = wrapBackend(new LoggingProxy(log), backend as never);
      await expect((async () => proxy.get('k'))()).rejects.toThrow('gone');
      await expect((async () => proxy.set('k', entry))()).rejects.toThrow('gone');
      await expect((async () => proxy.delete('k'))()).rejects.toThrow('gone');
      expect(log.lines).toEqual(
        ['get', 'set', 'delete'].map((verb) => `dogpile-cache ${verb} "k": failed (gone) in N ms`),
      );
    }
  });

  it('[py 92] cuts long keys, and quotes what would forge a line (differs)', async () => {
    const log = logger();
    const proxy = wrapBackend(new LoggingProxy(log), memoryBackend());
    proxy.get('x'.repeat(10_000));
    proxy.get('a\ndogpile-cache get "forged": hit');
    expect(log.lines[0]).toBe(`dogpile-cache get "${'x'.repeat(200)}…": miss in N ms`);
    expect(log.lines[1]).not.toContain('\n');
  });

  it('a logger that throws is a warning, and no failure of the verb', async () => {
    const said: Error[] = [];
    const hear = (warning: Error) => void said.push(warning);
    process.on('warning', hear);
    const debug = () => {
      throw new Error('disk full');
    };
    const region = makeRegion().configure(memoryBackend(), { wrap: [new LoggingProxy({ debug })] });
    await region.set('k', 1);
    expect(await region.get('k')).toBe(1);
    expect(region.statistics.backendErrors).toBe(0);
    await new Promise(setImmediate);
    process.off('warning', hear);
    expect(said.map(({ message }) => message)).toContain('The logger of LoggingProxy threw: Error: disk full');
  });

  it('takes a logger with debug alone, and console when there is none', () => {
    expect(() => new LoggingProxy({ debug: () => {} })).not.toThrow();
    expect(() => new LoggingProxy()).not.toThrow();
    expect(() => new LoggingProxy({ log: () => {} } as never)).toThrow(ValidationError);
    expect(() => new LoggingProxy(null as never)).toThrow(ValidationError);
  });
});
