import { describe, expect, it } from 'vitest';
import { all, allDone, allOf, andThen, bothDone, isPromiseLike } from '../../src/promises.js';
import { Gate } from '../../src/testing/gate.js';
import { settle } from '../../src/testing/settle.js';
import { unhandledRejections } from '../support/unhandled.js';

describe('answers and promises of answers', () => {
  it.each([undefined, null, 0, '', 'then', {}, { then: 5 }, [], () => {}])('%j is an answer', (answer) => {
    expect(isPromiseLike(answer)).toBe(false);
    expect(andThen(answer as unknown, (value) => [value])).toEqual([answer]);
  });

  it('a promise, and any thenable, is a promise of one', async () => {
    const thenable = { then: (resolve: (value: number) => void) => resolve(5) } as unknown as PromiseLike<number>;
    expect(isPromiseLike(Promise.resolve())).toBe(true);
    expect(isPromiseLike(thenable)).toBe(true);
    expect(await andThen(Promise.resolve(1), (value) => value + 1)).toBe(2);
  });

  it('many are there at once where each is, and come in their order where one comes later', async () => {
    expect(all([1, undefined, 3])).toEqual([1, undefined, 3]);
    expect(all([])).toEqual([]);
    expect(isPromiseLike(all([1, Promise.resolve(2)]))).toBe(true);
    expect(await all([1, Promise.resolve(2), 3])).toEqual([1, 2, 3]);
    await expect(all([1, Promise.reject(new Error('no'))])).rejects.toThrow('no');
  });

  it('many that are asked for are the same; where one throws, that comes out, and no rejection of another is left unhandled', async () => {
    expect(allOf(new Set([1, 2]), (item) => item * 2)).toEqual([2, 4]);
    expect(await allOf([1, 2], async (item) => item * 2)).toEqual([2, 4]);
    const unhandled = await unhandledRejections(() => {
      const ask = (item: number) => {
        if (item === 2) throw new Error('at once');
        return Promise.reject(new Error('later'));
      };
      expect(() => allOf([1, 2, 3], ask)).toThrow('at once');
    });
    expect(unhandled).toEqual([]);
  });

  it('all are done before the error of one of them is thrown, the first in their order', async () => {
    expect(await allDone([Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2]);
    expect(await bothDone(Promise.resolve(1), undefined)).toEqual([1, undefined]);
    for (const begin of [
      (slow: Promise<number>) => allDone([Promise.reject(new Error('no')), slow]),
      (slow: Promise<number>) => allDone([slow, Promise.reject(new Error('no'))]),
      (slow: Promise<number>) => bothDone(Promise.reject(new Error('no')), slow),
      (slow: Promise<number>) => bothDone(slow, Promise.reject(new Error('no'))),
    ]) {
      const gate = new Gate();
      let isOver = false;
      const failing = begin(gate.passed().then(() => 2)).catch((error: Error) => {
        isOver = true;
        return error.message;
      });
      await settle();
      expect(isOver).toBe(false);
      gate.open();
      expect(await failing).toBe('no');
    }
    const [first, second] = [() => Promise.reject('first'), () => Promise.reject('second')];
    await expect(allDone([first(), second()])).rejects.toBe('first');
    await expect(bothDone(first(), second())).rejects.toBe('first');
  });

  it('what goes wrong at once is thrown, what goes wrong later is a rejection', async () => {
    const fail = () => {
      throw new Error('no');
    };
    expect(() => andThen(1, fail)).toThrow('no');
    await expect(andThen(Promise.resolve(1), fail)).rejects.toThrow('no');
    await expect(andThen(Promise.reject(new Error('before')), fail)).rejects.toThrow('before');
  });
});
