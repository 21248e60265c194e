import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ReadWriteMutex } from '../../src/lock/index.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { builtPath } from '../support/built.js';

const free = async (held: AsyncDisposable | undefined) => held?.[Symbol.asyncDispose]();

describe('ReadWriteMutex', () => {
  it('many readers share it, a writer has it alone', async () => {
    const mutex = new ReadWriteMutex();
    const readers = [await mutex.acquireRead(), await mutex.acquireRead()];
    expect(await mutex.acquireWrite({ wait: false })).toBeUndefined();
    for (const reader of readers) await free(reader);
    const writer = await mutex.acquireWrite({ wait: false });
    expect(writer).toBeDefined();
    expect(await mutex.acquireRead({ wait: false })).toBeUndefined();
    expect(await mutex.acquireWrite({ wait: false })).toBeUndefined();
    await free(writer);
    expect(await mutex.acquireRead({ wait: false })).toBeDefined();
  });

  it('a writer that waits is not starved by readers who come later', async () => {
    const mutex = new ReadWriteMutex();
    const first = await mutex.acquireRead();
    const writing = mutex.acquireWrite();
    expect(await mutex.acquireRead({ wait: false })).toBeUndefined();
    const reading = mutex.acquireRead();
    await free(first);
    const writer = await writing;
    expect(writer).toBeDefined();
    await free(writer);
    expect(await reading).toBeDefined();
  });

  it('a writer that gives up lets the readers behind it in', async () => {
    const clock = new FakeClock();
    const mutex = new ReadWriteMutex({ clock });
    await mutex.acquireRead();
    const writing = mutex.acquireWrite({ wait: '1s' });
    const reading = mutex.acquireRead();
    await clock.advance('1s');
    expect(await writing).toBeUndefined();
    expect(await reading).toBeDefined();
    expect(clock.pending).toBe(0);
  });

  it('a second disposal releases nothing', async () => {
    const mutex = new ReadWriteMutex();
    const one = await mutex.acquireRead();
    await mutex.acquireRead();
    await free(one);
    await free(one);
    expect(await mutex.acquireWrite({ wait: false })).toBeUndefined();
  });
});

it('who waits for a limited time is told when it is over, though nothing else keeps the process alive', async () => {
  const program = `
    const { ReadWriteMutex } = await import(${JSON.stringify(`file://${await builtPath()}/lock/index.js`)});
    const mutex = new ReadWriteMutex();
    await mutex.acquireRead();
    console.log(await mutex.acquireWrite({ wait: '10ms' }));`;
  const said = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(said).toMatchObject({ stdout: 'undefined\n', status: 0 });
});
