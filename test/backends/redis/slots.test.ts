/** Names of locks in a cluster: in the slot of their key, whatever braces it has. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterLockName, slotOf } from '../../../src/backends/redis/slots.js';

describe('slots', () => {
  it.each([
    ['123456789', 0x31c3],
    ['foo', 12_182],
    ['{foo}bar', 12_182],
    ['a{foo}{bar}', 12_182],
    ['', 0],
  ])('of %j', (key, slot) => {
    expect(slotOf(key)).toBe(slot % 16_384);
  });
});

describe('a lock', () => {
  it.each([
    ['key', '_lock{key}'],
    ['a{b', '_lock{a{b}'],
    ['user:{5}:name', '_lock{5}:user:{5}:name'],
    ['{a}', '_lock{a}:{a}'],
    ['', '_lock{3560}:'],
  ])('of %j is %j', (key, lock) => {
    expect(clusterLockName('_lock', key)).toBe(lock);
  });

  it.each(['a}b', '{}', '{}x', 'x{}{y}', '', '}{', 'a}{b'])('of %j is in its slot', (key) => {
    expect(slotOf(clusterLockName('_lock', key))).toBe(slotOf(key));
  });

  it('is in the slot of its key, whatever the key', () => {
    const parts = fc.array(fc.constantFrom('{', '}', 'a', 'b', 'é', '7'), { maxLength: 8 });
    fc.assert(fc.property(parts, (chars) => slotOf(clusterLockName('lk', chars.join(''))) === slotOf(chars.join(''))));
  });

  it('is no other key’s', () => {
    const signs = ['{', '}', 'a', ':', '3'];
    const longer = (keys: readonly string[]) => keys.flatMap((key) => signs.map((sign) => key + sign));
    const keys = [['']];
    for (let length = 1; length <= 5; length++) keys.push(longer(keys[length - 1] ?? []));
    const all = [...keys.flat(), String(numberOfEmpty()), `{${numberOfEmpty()}}`, `{${numberOfEmpty()}}:`];
    expect(new Set(all.map((key) => clusterLockName('_lock', key))).size).toBe(all.length);
  });
});

/** What stands in the braces of the empty key's lock. */
function numberOfEmpty(): number {
  return Number(/\{(\d+)\}/.exec(clusterLockName('_lock', ''))?.[1]);
}
