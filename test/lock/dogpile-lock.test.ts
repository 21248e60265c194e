import { describe, expect, it, vi } from 'vitest';
import { CLOCK_SKEW } from '../../src/clock.js';
import { dogpileLock, LocalMutex, type Made, NeedRegeneration } from '../../src/lock/index.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';

/** A place for one value, and what was done to it. */
class Place {
  readonly clock = new FakeClock();
  readonly mutex = new LocalMutex();
  made: Made<string> | undefined;
  looks = 0;
  creations = 0;
  creating: () => Promise<void> = async () => {};

  readonly look = () => {
    this.looks++;
    if (!this.made) throw new NeedRegeneration();
    return this.made;
  };
  readonly create = async () => {
    this.creations++;
    const number = this.creations;
    await this.creating();
    this.made = { value: `value ${number}`, createdTime: this.clock.now() };
    return this.made;
  };
  run(options: { runner?: Parameters<typeof dogpileLock<string>>[0]['runner'] } = {}) {
    const { mutex, look, create, clock } = this;
    return dogpileLock({ mutex, look, create, clock, expirationTime: '10s', ...options });
  }
}

describe('dogpileLock', () => {
  it('[py E38] fresh: the value, after one look, without the lock', async () => {
    const place = new Place();
    await place.run();
    const acquire = vi.spyOn(place.mutex, 'acquire');
    place.looks = 0;
    expect(await place.run()).toBe('value 1');
    expect([place.looks, acquire.mock.calls.length]).toEqual([1, 0]);
  });

  it('[py 160] stale and won: a value that is there is read once, and created anew', async () => {
    const place = new Place();
    await place.run();
    await place.clock.advance('11s');
    place.looks = 0;
    expect(await place.run()).toBe('value 2');
    expect(place.looks).toBe(1);
  });

  it('[py E1] age equal to the expiration time is still fresh', async () => {
    const place = new Place();
    await place.run();
    await place.clock.advance('10s');
    expect(await place.run()).toBe('value 1');
  });

  it('[py E6] made by a clock up to a minute ahead is fresh; further ahead it is stale, never fresh for ever (differs)', async () => {
    const place = new Place();
    place.made = { value: 'ahead', createdTime: place.clock.now() + CLOCK_SKEW };
    expect(await place.run()).toBe('ahead');
    place.made = { value: 'gone wrong', createdTime: place.clock.now() + CLOCK_SKEW + 1 };
    expect(await place.run()).toBe('value 1');
  });

  it('stale and not won: the stale value at once, while another creates', async () => {
    const place = new Place();
    await place.run();
    await place.clock.advance('11s');
    const gate = new Gate();
    place.creating = () => gate.passed();
    const creator = place.run();
    await gate.arrived;
    expect(await place.run()).toBe('value 1');
    gate.open();
    expect(await creator).toBe('value 2');
  });

  it('missing: the others wait, look again, and find what the one has created', async () => {
    const place = new Place();
    const gate = new Gate();
    place.creating = () => gate.passed();
    const all = Promise.all([place.run(), place.run(), place.run()]);
    await gate.arrived;
    gate.open();
    expect(await all).toEqual(['value 1', 'value 1', 'value 1']);
    expect(place.creations).toBe(1);
  });

  it('[py E39] what the creator throws comes out, whatever it is, and the lock is free', async () => {
    const place = new Place();
    for (const reason of [new Error('no'), null, undefined, 0]) {
      place.creating = () => Promise.reject(reason);
      await expect(place.run()).rejects.toBe(reason);
      expect(place.mutex.locked()).toBe(false);
    }
    place.creating = async () => {};
    expect(await place.run()).toBe('value 5');
  });

  it('what look throws, other than NeedRegeneration, comes out', async () => {
    const place = new Place();
    const broken = dogpileLock({
      mutex: place.mutex,
      create: place.create,
      look: () => {
        throw new TypeError('broken');
      },
    });
    await expect(broken).rejects.toThrow(TypeError);
    expect(place.creations).toBe(0);
  });

  it('[py E39] a created time of zero is no value', async () => {
    const place = new Place();
    place.made = { value: 'zero', createdTime: 0 };
    expect(await place.run()).toBe('value 1');
  });

  it('[py 161] with a runner the stale value is served, and the runner owns the lock until it releases', async () => {
    const place = new Place();
    await place.run();
    await place.clock.advance('11s');
    let release = async () => {};
    const runner = vi.fn((_create: () => Promise<void>, mutex: { release(): Promise<void> }) => {
      release = mutex.release;
    });
    expect(await place.run({ runner })).toBe('value 1');
    expect(runner).toHaveBeenCalledTimes(1);
    expect(place.mutex.locked()).toBe(true);
    expect(await place.run({ runner })).toBe('value 1');
    expect(runner).toHaveBeenCalledTimes(1);
    await release();
    expect(place.mutex.locked()).toBe(false);
  });

  it('a runner is never called for a missing value', async () => {
    const place = new Place();
    const runner = vi.fn();
    expect(await place.run({ runner })).toBe('value 1');
    expect(runner).not.toHaveBeenCalled();
  });

  it('a runner that calls create stores and releases', async () => {
    const place = new Place();
    await place.run();
    await place.clock.advance('11s');
    let done: Promise<void> | undefined;
    const runner = (create: () => Promise<void>) => {
      done = create();
    };
    expect(await place.run({ runner })).toBe('value 1');
    await done;
    expect(await place.run()).toBe('value 2');
    expect(place.mutex.locked()).toBe(false);
  });

  it('[py E39] a runner that throws releases, and its error comes out', async () => {
    const place = new Place();
    await place.run();
    await place.clock.advance('11s');
    const runner = () => {
      throw new Error('no queue');
    };
    await expect(place.run({ runner })).rejects.toThrow('no queue');
    expect(place.mutex.locked()).toBe(false);
  });

  it('takes a mutex of Python’s shape', async () => {
    const place = new Place();
    let locked = false;
    const mutex = {
      acquire: (wait: boolean) => {
        if (locked && !wait) return false;
        locked = true;
        return true;
      },
      release: () => {
        locked = false;
      },
    };
    const { look, create, clock } = place;
    expect(await dogpileLock({ mutex, look, create, clock })).toBe('value 1');
    expect(locked).toBe(false);
  });
});
