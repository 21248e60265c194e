import { describe, expect, it } from 'vitest';
import { Ring } from '../../../../src/backends/memcached/meta/ring.js';

const ringOf = (...names: string[]) => new Ring(new Map(names.map((name) => [name, name])));
const keys = Array.from({ length: 3000 }, (_, at) => `key:${at}`);

describe('the ring', () => {
  it('gives each of three servers its share', () => {
    const ring = ringOf('one:11212', 'two:11212', 'three:11212');
    const shares = new Map<string, number>();
    for (const key of keys) shares.set(ring.serverOf(key), (shares.get(ring.serverOf(key)) ?? 0) + 1);
    expect([...shares.values()].every((share) => share > 600)).toBe(true);
    expect(shares.size).toBe(3);
  });

  it('a fourth server takes its keys from the others and moves none between them', () => {
    const before = ringOf('a', 'b', 'c');
    const after = ringOf('a', 'b', 'c', 'd');
    const moved = keys.filter((key) => before.serverOf(key) !== after.serverOf(key));
    expect(moved.every((key) => after.serverOf(key) === 'd')).toBe(true);
    expect(moved.length).toBeGreaterThan(300);
    expect(moved.length).toBeLessThan(1300);
  });

  it('does not depend on the order of the servers', () => {
    const one = ringOf('a', 'b', 'c');
    const other = ringOf('c', 'a', 'b');
    expect(keys.every((key) => one.serverOf(key) === other.serverOf(key))).toBe(true);
  });

  it('one server has all keys', () => {
    expect(ringOf('a').serverOf('k')).toBe('a');
  });

  // Those that a ring with a digest more or less would have elsewhere.
  it('has keys where pylibmc was seen to store them with ketama_weighted', () => {
    const [one, other, standard] = ['127.0.0.1:23411', '127.0.0.1:23412', '127.0.0.1'];
    const ring = ringOf(one, other, standard);
    const seen: [number, string][] = [
      ...[36, 97, 98].map((at): [number, string] => [at, standard]),
      ...[49, 69, 83, 120, 163].map((at): [number, string] => [at, other]),
      ...[1, 4, 5].map((at): [number, string] => [at, one]),
    ];
    for (const [at, server] of seen) expect(ring.serverOf(`key:${at}`), `key:${at}`).toBe(server);
  });
});
