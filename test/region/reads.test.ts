import { describe, expect, it, vi } from 'vitest';
import { CachedValue, type RecordsRequest } from '../../src/api.js';
import { BackendTimeoutError } from '../../src/errors.js';
import { SharedReads } from '../../src/region/reads.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';

const settle = () => new FakeClock().advance(0);
const setUp = () => {
  let time = 0;
  const gates: Gate[] = [];
  const answers: unknown[] = [];
  const get = vi.fn(async (name: string, _records: RecordsRequest | undefined) => {
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
    expect(get.mock.calls.map(([name]) => name)).toEqual(['k']);
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
    expect(get.mock.calls.map(([, given]) => given)).toEqual(records);
  });
});

describe('reads of a store that gathers them', () => {
  const setUp = () => {
    let time = 0;
    const gates: Gate[] = [];
    const told: [string, unknown][] = [];
    const get = vi.fn(async (name: string, _records: RecordsRequest | undefined) => `one ${name}` as never);
    const getMulti = vi.fn(async (names: readonly string[], _records: RecordsRequest | undefined) => {
      const gate = new Gate();
      gates.push(gate);
      await gate.passed();
      return names.map((name) => `of many ${name}` as never);
    });
    const request = vi.fn((tags: readonly string[]): RecordsRequest | undefined => ({
      region: 'r',
      tags,
      found: undefined,
    }));
    const failed = (key: string, error: unknown) => void told.push([key, error]);
    const reads = new SharedReads({ get, getMulti, request, tick: () => ++time, failed });
    return { reads, get, getMulti, gates, request, told };
  };
  const namesOf = ({ getMulti }: ReturnType<typeof setUp>) => getMulti.mock.calls.map(([names]) => names);

  it('what is asked for in one tick is one call, with the records that all of it needs', async () => {
    const set = setUp();
    const { reads, get, gates, request } = set;
    const calls = [reads.read('a', 'a', ['x']), reads.read('b', 'b'), reads.read('a', 'a', ['y', 'x'])];
    calls.push(reads.read('c', 'c', ['z']));
    await settle();
    expect(namesOf(set)).toEqual([['a', 'b', 'c']]);
    expect(request.mock.calls).toEqual([[['x', 'y', 'z']]]);
    gates[0]?.open();
    const [a, b, again, c] = await Promise.all(calls);
    expect([a, b, c].map((read) => read?.stored)).toEqual(['of many a', 'of many b', 'of many c']);
    expect(again).toBe(a);
    for (const read of [b, c]) expect(read).toMatchObject({ sentAt: a?.sentAt });
    for (const read of [b, c]) expect(read?.records).toBe(a?.records);
    expect([get.mock.calls.length, reads.size]).toEqual([0, 0]);
  });

  it('one alone is a get', async () => {
    const { reads, get, getMulti } = setUp();
    expect(await reads.read('a', 'a', ['x'])).toMatchObject({ stored: 'one a', records: { tags: ['x'] } });
    expect([get.mock.calls.length, getMulti.mock.calls.length]).toEqual([1, 0]);
  });

  it('a hundred keys are the most of one call', async () => {
    const set = setUp();
    const calls = Array.from({ length: 250 }, (_, at) => set.reads.read(`k${at}`, `k${at}`));
    await settle();
    expect(namesOf(set).map((names) => names.length)).toEqual([100, 100, 50]);
    for (const gate of set.gates) gate.open();
    const found = await Promise.all(calls);
    expect(found.map(({ stored }) => stored)).toEqual(calls.map((_, at) => `of many k${at}`));
  });

  it('who comes while a key is under way waits for the next call: one under way, one next', async () => {
    const set = setUp();
    const first = [set.reads.read('a', 'a'), set.reads.read('b', 'b')];
    await settle();
    const next = [set.reads.read('a', 'a'), set.reads.read('b', 'b'), set.reads.read('a', 'a')];
    const other = set.reads.read('c', 'c');
    await settle();
    expect([namesOf(set), set.get.mock.calls.length]).toEqual([[['a', 'b']], 1]);
    set.gates[0]?.open();
    expect((await Promise.all([...first, other])).map(({ sentAt }) => sentAt)).toEqual([1, 1, 2]);
    await settle();
    expect(namesOf(set)).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
    set.gates[1]?.open();
    expect((await Promise.all(next)).map(({ sentAt }) => sentAt)).toEqual([3, 3, 3]);
    expect(set.reads.size).toBe(0);
  });

  it('a store that is out of reach has failed each of them, asked once', async () => {
    const { reads, get, gates, told } = setUp();
    const calls = [reads.read('a', 'key a'), reads.read('b', 'key b'), reads.read('a', 'again')];
    await settle();
    const down = new BackendTimeoutError('late');
    gates[0]?.fail(down);
    for (const call of calls) await expect(call).rejects.toBe(down);
    expect(told).toEqual([
      ['key a', down],
      ['key b', down],
    ]);
    expect([get.mock.calls.length, reads.size]).toEqual([0, 0]);
  });

  it('what is refused for one key is no trouble of the others: each is asked for alone', async () => {
    const { reads, get, gates, told } = setUp();
    const refusal = new Error('not this key');
    get.mockImplementationOnce(() => Promise.reject(refusal));
    const calls = [reads.read('a', 'a'), reads.read('b', 'b')];
    const settled = Promise.allSettled(calls);
    await settle();
    gates[0]?.fail(new Error('not these keys'));
    expect(await settled).toMatchObject([
      { status: 'rejected', reason: refusal },
      { status: 'fulfilled', value: { stored: 'one b', sentAt: 3 } },
    ]);
    expect([told, reads.size]).toEqual([[['a', refusal]], 0]);
  });

  it('a store that throws at once has failed, too', async () => {
    const { reads, getMulti, get } = setUp();
    getMulti.mockImplementationOnce(() => {
      throw new Error('at once');
    });
    const calls = [reads.read('a', 'a'), reads.read('b', 'b')];
    expect((await Promise.all(calls)).map(({ stored }) => stored)).toEqual(['one a', 'one b']);
    expect([get.mock.calls.length, reads.size]).toEqual([2, 0]);
  });
});
