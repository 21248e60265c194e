import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Sieve } from '../../../src/backends/sieve.js';

/** SIEVE as its paper tells it, on a plain list, the oldest first. */
class Model {
  readonly items: { key: string; value: number; size: number; visited: boolean }[] = [];
  hand: string | undefined;
  evictions = 0;
  constructor(
    readonly maxEntries: number,
    readonly maxSize: number,
  ) {}

  get size() {
    return this.items.reduce((sum, { size }) => sum + size, 0);
  }
  get(key: string) {
    const item = this.items.find((each) => each.key === key);
    if (item) item.visited = true;
    return item?.value;
  }
  set(key: string, value: number, size: number) {
    if (size > this.maxSize) {
      this.delete(key);
      this.evictions++;
      return;
    }
    const known = this.items.find((each) => each.key === key);
    if (known) Object.assign(known, { value, size, visited: true });
    while (this.size + (known ? 0 : size) > this.maxSize || (!known && this.items.length >= this.maxEntries))
      this.evict(known?.key);
    if (!known) this.items.push({ key, value, size, visited: false });
  }
  evict(spared: string | undefined) {
    let at = Math.max(
      0,
      this.items.findIndex(({ key }) => key === this.hand),
    );
    for (;;) {
      const item = this.items[at];
      if (!item) throw new Error('nothing to evict');
      if (!item.visited && item.key !== spared) break;
      item.visited = false;
      at = (at + 1) % this.items.length;
    }
    this.hand = this.items[at + 1]?.key;
    this.items.splice(at, 1);
    this.evictions++;
  }
  delete(key: string) {
    const at = this.items.findIndex((each) => each.key === key);
    if (at < 0) return;
    if (this.hand === key) this.hand = this.items[at + 1]?.key;
    this.items.splice(at, 1);
  }
}

const key = fc.constantFrom(...'abcdefghij');
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ verb: fc.constant('set' as const), key, size: fc.nat(6) }) },
  { weight: 3, arbitrary: fc.record({ verb: fc.constant('get' as const), key, size: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ verb: fc.constant('delete' as const), key, size: fc.constant(0) }) },
);
const bound = fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant(Number.POSITIVE_INFINITY));

describe('the bounded map', () => {
  it('evicts what SIEVE evicts, entry for entry, and never exceeds its bounds', () => {
    fc.assert(
      fc.property(bound, bound, fc.array(operation, { maxLength: 120 }), (maxEntries, maxSize, operations) => {
        const sieve = new Sieve<number>({ maxEntries, maxSize });
        const model = new Model(maxEntries, maxSize);
        for (const [at, { verb, key: name, size }] of operations.entries()) {
          if (verb === 'set') {
            sieve.set(name, at, size);
            model.set(name, at, size);
          } else if (verb === 'delete') {
            sieve.delete(name);
            model.delete(name);
          } else expect(sieve.get(name)).toBe(model.get(name));
          expect(sieve.count).toBe(model.items.length);
          expect(sieve.count).toBeLessThanOrEqual(maxEntries);
          expect(sieve.size).toBe(model.size);
          expect(sieve.size).toBeLessThanOrEqual(maxSize);
          expect(sieve.evictions).toBe(model.evictions);
        }
        for (const { key: name, value } of model.items) expect(sieve.get(name)).toBe(value);
      }),
      { numRuns: 200 },
    );
  });

  it('evicts the oldest that was not hit, spares and unmarks what was, and goes on from where it stopped', () => {
    const sieve = new Sieve<number>({ maxEntries: 3, maxSize: Number.POSITIVE_INFINITY });
    for (const name of ['a', 'b', 'c']) sieve.set(name, 0, 0);
    sieve.get('a');
    sieve.set('d', 0, 0);
    const there = () => ['a', 'b', 'c', 'd', 'e', 'f'].filter((name) => peek(sieve, name));
    expect(there()).toEqual(['a', 'c', 'd']);
    const scan = new Sieve<number>({ maxEntries: 3, maxSize: Number.POSITIVE_INFINITY });
    for (const name of ['hot', 'b', 'c']) scan.set(name, 0, 0);
    scan.get('hot');
    for (let i = 0; i < 1000; i++) {
      scan.set(`once ${i}`, 0, 0);
      scan.get('hot');
    }
    expect(scan.get('hot')).toBe(0);
    expect(scan.evictions).toBe(1000);
  });

  it('ends with sizes whose fractions don’t add up', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0.3, 0.7, 1.1, 3.3),
        fc.array(fc.record({ name: key, part: fc.integer({ min: 0, max: 10 }), gone: fc.boolean() }), {
          maxLength: 60,
        }),
        (maxSize, entries) => {
          const sieve = new Sieve<number>({ maxEntries: 5, maxSize });
          for (const { name, part, gone } of entries) {
            sieve.set(name, part, part * 0.1);
            if (gone) sieve.delete(name);
            sieve.set('full', 0, maxSize);
            expect(sieve.get('full')).toBe(0);
          }
          expect(sieve.count).toBeLessThanOrEqual(5);
          expect(sieve.size).toBeLessThan(maxSize * 1.001);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('a value too large for all the room leaves nothing of the older one, and the others alone', () => {
    const sieve = new Sieve<number>({ maxEntries: 10, maxSize: 10 });
    sieve.set('a', 1, 4);
    sieve.set('b', 2, 4);
    sieve.set('a', 3, 11);
    expect(sieve.get('a')).toBeUndefined();
    expect(sieve.get('b')).toBe(2);
    expect([sieve.count, sieve.size, sieve.evictions]).toEqual([1, 4, 1]);
  });

  it('a value that grows makes room for itself, not of itself', () => {
    const sieve = new Sieve<number>({ maxEntries: 10, maxSize: 10 });
    for (const name of ['a', 'b', 'c']) sieve.set(name, 1, 3);
    sieve.set('a', 2, 10);
    expect(sieve.get('a')).toBe(2);
    expect([sieve.count, sieve.size, sieve.evictions]).toEqual([1, 10, 2]);
  });

  it.each(['__proto__', 'constructor', '', '\u0000', '\ud800'])('%j is a key like any other', (name) => {
    const sieve = new Sieve<number>({ maxEntries: 2, maxSize: 10 });
    expect(sieve.get(name)).toBeUndefined();
    sieve.set(name, 5, 1);
    expect(sieve.get(name)).toBe(5);
    sieve.delete(name);
    expect([sieve.count, sieve.size]).toEqual([0, 0]);
  });
});

/** Whether it is there, without a hit that changes what is evicted next: it is asked for last. */
function peek(sieve: Sieve<number>, name: string): boolean {
  return sieve.get(name) !== undefined;
}
