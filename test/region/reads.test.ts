import { describe, expect, it, vi } from 'vitest';
import { CachedValue, type RecordsRequest } from '../../src/api.js';
import { SharedReads } from '../../src/region/reads.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';

const settle = () => new FakeClock().advance(0);
const setUp = () => {
  let time = 0;
  const gates: Gate[] = [];
  const answers: unknown[] = [];
  const get = vi.fn(async (name: string, _key: string, _records: RecordsRequest | undefined) => {
    const gate = new Gate();
    gates.push(gate);
    await gate.passed();
    return new CachedValue(answers.shift() ?? name, { ct: 1, v: 2 });
  });
  const request = vi.fn((_tags: readonly string[]): RecordsRequest | undefined => undefined);
  const reads = new SharedReads({ get, request, tick: () => ++time, failed: () => {} });
  return { reads, get, gates, request, answers };
};

describe('shared reads', () => {
  it('calls of one tick share the read that has not been sent yet', async () => {
    const { reads, get, gates } = setUp();
    const calls = [reads.read('k', 'key'), reads.read('k', 'other'), reads.read('k', 'key')];
    expect(get).not.toHaveBeenCalled();
    expect([reads.size, reads.isReading('k'), reads.isReading('l')]).toEqual([1, true, false]);
    await settle();
    expect(get.mock.calls.map(([name, key]) => [name, key])).toEqual([['k', 'key']]);
    gates[0]?.open();
    const [first, ...rest] = await Promise.all(calls);
    for (const each of rest) expect(each).toBe(first);
    expect(first).toMatchObject({ sentAt: 1, records: undefined, stored: { payload: 'k' } });
  });

  it('a read brings along the records of all tags that its callers named, and the next one those of its own', async () => {
    const { reads, request, gates } = setUp();
    const calls = [reads.read('k', 'k', ['a']), reads.read('k', 'k'), reads.read('k', 'k', ['b', 'a'])];
    await settle();
    calls.push(reads.read('k', 'k', ['c']), reads.read('l', 'l'));
    await settle();
    for (const gate of gates) gate.open();
    await settle();
    gates.at(-1)?.open();
    await Promise.all(calls);
    expect(request.mock.calls).toEqual([[['a', 'b']], [[]], [['c']]]);
  });

  it('who comes while one is under way waits for the next one: one under way, one next', async () => {
    const { reads, get, gates, answers } = setUp();
    answers.push('first', 'second');
    const first = reads.read('k', 'k');
    await settle();
    const later = [reads.read('k', 'k'), reads.read('k', 'k')];
    await settle();
    later.push(reads.read('k', 'k'));
    expect(get).toHaveBeenCalledTimes(1);
    gates[0]?.open();
    expect(await first).toMatchObject({ stored: { payload: 'first' }, sentAt: 1 });
    await settle();
    expect(get).toHaveBeenCalledTimes(2);
    gates[1]?.open();
    for (const read of await Promise.all(later))
      expect(read).toMatchObject({ stored: { payload: 'second' }, sentAt: 2 });
    await settle();
    expect([get.mock.calls.length, reads.size]).toEqual([2, 0]);
  });

  it('keys have nothing to do with each other', async () => {
    const { reads, get, gates } = setUp();
    const calls = [reads.read('a', 'a'), reads.read('b', 'b')];
    await settle();
    expect(get).toHaveBeenCalledTimes(2);
    gates[1]?.open();
    expect(await calls[1]).toMatchObject({ stored: { payload: 'b' } });
    gates[0]?.open();
    await Promise.all(calls);
  });

  it('a failure reaches everybody who shared the read, and the next one is sent all the same', async () => {
    const { reads, gates } = setUp();
    const failing = [reads.read('k', 'k'), reads.read('k', 'k')];
    await settle();
    const next = reads.read('k', 'k');
    gates[0]?.fail(new Error('gone'));
    for (const call of failing) await expect(call).rejects.toThrow('gone');
    await settle();
    gates[1]?.open();
    expect(await next).toMatchObject({ stored: { payload: 'k' } });
    await settle();
    expect(reads.size).toBe(0);
  });

  it('a store that throws at once is a rejection', async () => {
    const { reads, get } = setUp();
    get.mockImplementationOnce(() => {
      throw new Error('at once');
    });
    await expect(reads.read('k', 'k')).rejects.toThrow('at once');
    await settle();
    expect(reads.size).toBe(0);
  });

  it('each read has records of its own, asked for when it is sent', async () => {
    const { reads, get, gates, request } = setUp();
    const records = [1, 2].map((n): RecordsRequest => ({ region: `r${n}`, tags: [], found: undefined }));
    request.mockReturnValueOnce(records[0]).mockReturnValueOnce(records[1]);
    const first = reads.read('k', 'k');
    expect(request).not.toHaveBeenCalled();
    await settle();
    const second = reads.read('k', 'k');
    gates[0]?.open();
    await settle();
    gates[1]?.open();
    expect((await first).records).toBe(records[0]);
    expect((await second).records).toBe(records[1]);
    expect(get.mock.calls.map(([, , given]) => given)).toEqual(records);
  });
});
