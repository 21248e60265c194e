/** Leases that a store keeps, and the one wait loop of distributed locks. */
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { Awaitable, Clock } from '../../src/api.js';
import { ValidationError } from '../../src/errors.js';
import { KeptLease, type KeptLeaseOptions, newToken, waitUntil } from '../../src/lock/lease.js';
import { after } from '../../src/lock/timer.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { settle } from '../../src/testing/settle.js';

/** A lease of 9 s, held for at most a minute, and what was done to it. */
function keptLease(options: Partial<KeptLeaseOptions> = {}) {
  const clock = new FakeClock();
  const start = clock.now();
  const renewals: number[] = [];
  const reports: unknown[] = [];
  const losses: string[] = [];
  const answers = { renew: (): Awaitable<boolean> => true, release: (): Awaitable<void> => {}, released: 0 };
  const lease = new KeptLease({
    token: newToken(),
    stored: undefined,
    timeout: 9000,
    maxHold: 60_000,
    clock,
    renew: () => {
      renewals.push(clock.now() - start);
      return answers.renew();
    },
    release: () => {
      answers.released++;
      return answers.release();
    },
    report: (verb, error) => void reports.push([verb, error]),
    ...options,
  });
  lease.whenLost((why) => losses.push(why));
  return { clock, lease, renewals, reports, losses, answers, elapsed: () => clock.now() - start };
}

describe('a kept lease', () => {
  it('is renewed at a third of its time, for as long as it is held', async () => {
    const { clock, lease, renewals } = keptLease();
    await clock.advance(10_000);
    expect(renewals).toEqual([3000, 6000, 9000]);
    await lease.release();
    await clock.advance(100_000);
    expect(renewals).toHaveLength(3);
    expect(clock.pending).toBe(0);
  });

  it('a refused renewal loses it at once, and is the last one', async () => {
    const { clock, lease, renewals, losses, answers } = keptLease();
    answers.renew = () => Promise.resolve(false);
    await clock.advance(3000);
    expect([losses, lease.stands, clock.pending]).toEqual([['voided'], false, 0]);
    await clock.advance(60_000);
    expect(renewals).toHaveLength(1);
  });

  it('a renewal that throws is reported and tried again', async () => {
    const { clock, lease, renewals, reports, losses, answers } = keptLease();
    const error = new Error('no answer');
    answers.renew = () => Promise.reject(error);
    await clock.advance(3000);
    answers.renew = () => true;
    await clock.advance(3000);
    answers.renew = () => {
      throw error;
    };
    await clock.advance(3000);
    answers.renew = () => true;
    await clock.advance(30_000);
    expect(reports).toEqual([
      ['renew', error],
      ['renew', error],
    ]);
    expect(renewals.slice(0, 4)).toEqual([3000, 6000, 9000, 12_000]);
    expect([lease.stands, losses]).toEqual([true, []]);
  });

  it('is lost at the end of its time when no renewal has succeeded since, though each was answered with an error', async () => {
    const { clock, losses, answers } = keptLease();
    answers.renew = () => Promise.reject(new Error('no answer'));
    await clock.advance(8999);
    expect(losses).toEqual([]);
    await clock.advance(1);
    expect(losses).toEqual(['voided']);
    expect(clock.pending).toBe(0);
  });

  it('is lost at the end of its time when a renewal never settles; its late answer changes nothing', async () => {
    const { clock, lease, losses, renewals, answers } = keptLease();
    let answer = (_isOurs: boolean) => {};
    answers.renew = () => new Promise((resolve) => (answer = resolve));
    await clock.advance(8999);
    expect([losses, lease.stands]).toEqual([[], true]);
    await clock.advance(1);
    expect([losses, lease.stands, clock.pending]).toEqual([['voided'], false, 0]);
    answer(true);
    await clock.advance(60_000);
    expect([losses, lease.stands, renewals]).toEqual([['voided'], false, [3000]]);
  });

  it('is kept by an answer that is there, though the event loop was held up past its time before it was read', async () => {
    const timers: { readonly ms: number; readonly run: () => void }[] = [];
    const clock: Clock = {
      now: () => 0,
      setTimeout: (run, ms) => timers.push({ ms, run }),
      clearTimeout: () => {},
    };
    const fire = (of: number) => timers.find(({ ms }) => ms === of)?.run();
    const { port1: store, port2: here } = new MessageChannel();
    const renew = () => new Promise<boolean>((resolve) => here.once('message', resolve));
    const { lease, losses } = keptLease({ clock, renew });
    fire(3000);
    await settle();
    store.postMessage(true);
    fire(9000);
    await settle();
    expect([losses, lease.stands]).toEqual([[], true]);
    await lease.release();
    here.close();
  });

  it('its time counts from when the renewal was sent, not from when the answer came', async () => {
    const { clock, losses, answers, elapsed } = keptLease();
    const slow = new Gate();
    answers.renew = async () => {
      await slow.passed();
      return true;
    };
    await clock.advance(8000);
    answers.renew = () => new Promise(() => {});
    slow.open();
    await clock.advance(3999);
    expect(losses).toEqual([]);
    await clock.advance(1);
    expect([losses, elapsed()]).toEqual([['voided'], 12_000]);
  });

  it('lapses at maxHold to the millisecond, also where that is shorter than its time', async () => {
    for (const maxHold of [60_000, 1000]) {
      const { clock, losses, lease } = keptLease({ maxHold });
      await clock.advance(maxHold - 1);
      expect(losses).toEqual([]);
      await clock.advance(1);
      expect([losses, lease.stands, clock.pending]).toEqual([['lapsed'], false, 0]);
    }
  });

  it('does not lapse when the time of day jumps, neither earlier nor later', async () => {
    const fake = new FakeClock();
    let jump = 0;
    const clock: Clock = {
      now: () => fake.now() + jump,
      setTimeout: (run, ms) => fake.setTimeout(run, ms),
      clearTimeout: (handle) => fake.clearTimeout(handle),
    };
    const { losses } = keptLease({ clock });
    jump = 3_600_000;
    await fake.advance(30_000);
    expect(losses).toEqual([]);
    jump = -3_600_000;
    await fake.advance(30_000);
    expect(losses).toEqual(['lapsed']);
  });

  it('release is idempotent, waits for the store each time, and gives a lost one back too', async () => {
    const { clock, lease, losses, answers } = keptLease();
    const gate = new Gate();
    answers.release = () => gate.passed();
    answers.renew = () => false;
    await clock.advance(3000);
    expect(losses).toEqual(['voided']);
    const settled: number[] = [];
    const both = [1, 2].map((which) => lease.release().then(() => settled.push(which)));
    await settle();
    expect([answers.released, settled]).toEqual([1, []]);
    gate.open();
    await Promise.all(both);
    await lease[Symbol.asyncDispose]();
    expect([answers.released, losses]).toEqual([1, ['voided']]);
  });

  it('a release that rejects or throws says so to everybody who releases, and is not sent twice', async () => {
    for (const fail of [() => Promise.reject(new Error('gone')), throwing(new Error('gone'))]) {
      const { clock, lease, answers } = keptLease();
      answers.release = fail;
      await expect(lease.release()).rejects.toThrow('gone');
      await expect(lease.release()).rejects.toThrow('gone');
      expect([answers.released, clock.pending]).toEqual([1, 0]);
    }
  });

  it('settled by a commit: neither renewed nor released, and never lost', async () => {
    const { clock, lease, losses, renewals, answers } = keptLease();
    lease.settle();
    await lease.release();
    lease.lose('voided');
    await clock.advance(120_000);
    expect([renewals, losses, answers.released, clock.pending]).toEqual([[], [], 0, 0]);
  });

  it('released while a renewal is under way: its answer is of no interest', async () => {
    const { clock, lease, losses, renewals, answers } = keptLease();
    let answer = (_isOurs: boolean) => {};
    answers.renew = () => new Promise((resolve) => (answer = resolve));
    await clock.advance(3000);
    await lease.release();
    answer(false);
    await clock.advance(60_000);
    expect([losses, renewals, clock.pending]).toEqual([[], [3000], 0]);
  });

  it('who asks late to be told of a loss is told at once; nobody is told twice', async () => {
    const { lease, losses } = keptLease();
    lease.lose('voided');
    lease.lose('lapsed');
    const late: string[] = [];
    lease.whenLost((why) => late.push(why));
    expect([losses, late]).toEqual([['voided'], ['voided']]);
  });

  it('a listener that throws keeps no other from being told, and is a warning', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const { lease } = keptLease();
    const told: string[] = [];
    lease.whenLost(throwing(new Error('listener')));
    lease.whenLost((why) => told.push(why));
    lease.lose('lapsed');
    expect(told).toEqual(['lapsed']);
    expect((await warned).message).toContain('listener');
  });

  it('a listener may release, and ask again, while it is told', async () => {
    const { lease, answers } = keptLease();
    const told: string[] = [];
    lease.whenLost((why) => {
      void lease.release();
      lease.whenLost((again) => told.push(again));
      told.push(why);
    });
    lease.lose('lapsed');
    expect([told, answers.released]).toEqual([['lapsed', 'lapsed'], 1]);
  });
});

describe('a time limit', () => {
  it('of any length is kept: beyond 2^31 ms in pieces that a timer can take, Infinity without one', async () => {
    const clock = new FakeClock();
    const asked: number[] = [];
    const spied: Clock = {
      now: () => clock.now(),
      setTimeout: (run, ms) => {
        asked.push(ms);
        return clock.setTimeout(run, ms);
      },
      clearTimeout: (handle) => clock.clearTimeout(handle),
    };
    let runs = 0;
    after(spied, 3 * 2 ** 31, () => runs++);
    await clock.advance(3 * 2 ** 31 - 1);
    expect(runs).toBe(0);
    await clock.advance(1);
    expect([runs, clock.pending]).toEqual([1, 0]);
    expect(Math.max(...asked)).toBeLessThan(2 ** 31);
    after(spied, Number.POSITIVE_INFINITY, () => runs++);
    expect(clock.pending).toBe(0);
    const stop = after(spied, 2 ** 40, () => runs++);
    await clock.advance(2 ** 33);
    stop();
    expect([runs, clock.pending]).toEqual([1, 0]);
  });
});

/** What a wait loop needs, with listeners counted. */
class Waiting {
  readonly clock = new FakeClock();
  readonly controller = new AbortController();
  readonly start = this.clock.now();
  readonly attempts: number[] = [];
  readonly wakers = new Set<() => void>();
  abortListeners = 0;
  attempt: () => Awaitable<string | undefined> = () => undefined;
  random = () => 0.5;

  constructor() {
    const { signal } = this.controller;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: unknown[]) => {
      this.abortListeners++;
      return Reflect.apply(addEventListener, signal, args);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      this.abortListeners--;
      return Reflect.apply(removeEventListener, signal, args);
    };
  }

  run(options: Partial<Parameters<typeof waitUntil>[1]> = {}): Promise<string | undefined> {
    const attempt = () => {
      this.attempts.push(this.clock.now() - this.start);
      return this.attempt();
    };
    return waitUntil(attempt, {
      wait: true,
      signal: this.controller.signal,
      poll: 100,
      clock: this.clock,
      random: () => this.random(),
      wake: (run) => {
        this.wakers.add(run);
        return () => this.wakers.delete(run);
      },
      ...options,
    });
  }
  wake(): void {
    for (const run of this.wakers) run();
  }
  /** Timers, wake-ups and abort listeners that are left. */
  get left(): number[] {
    return [this.clock.pending, this.wakers.size, this.abortListeners];
  }
}

describe('waitUntil', () => {
  it('what is won at once is answered at once, and leaves nothing', async () => {
    const waiting = new Waiting();
    waiting.attempt = () => 'lease';
    expect(await waiting.run()).toBe('lease');
    expect([waiting.attempts, waiting.left]).toEqual([[0], [0, 0, 0]]);
  });

  it('wait: false and wait: 0 try once', async () => {
    for (const wait of [false, 0]) {
      const waiting = new Waiting();
      expect(await waiting.run({ wait })).toBeUndefined();
      expect([waiting.attempts, waiting.left]).toEqual([[0], [0, 0, 0]]);
    }
  });

  it('sleeps random times up to bounds that double, at most the cap', async () => {
    for (const [random, sleeps] of [
      [0.999_999, [100, 200, 400, 800, 1000, 1000]],
      [0.5, [50, 100, 200, 400, 500, 500]],
      [0, [0, 0, 0, 0, 0, 0]],
    ] as const) {
      const waiting = new Waiting();
      let tries = 0;
      waiting.attempt = () => (tries++ === 6 ? 'lease' : undefined);
      waiting.random = () => random;
      const won = waiting.run();
      await waiting.clock.advance('1m');
      expect(await won).toBe('lease');
      const measured = waiting.attempts.slice(1).map((at, index) => at - (waiting.attempts[index] ?? 0));
      measured.forEach((slept, index) => {
        expect(slept).toBeCloseTo(sleeps[index] ?? Number.NaN, 2);
      });
    }
  });

  it('the first sleep has the cap too, and a poll of 0 does not spin', async () => {
    const long = new Waiting();
    long.random = () => 1;
    void long.run({ poll: 60_000 });
    await long.clock.advance(1000);
    expect(long.attempts).toEqual([0, 1000]);
    const spinning = new Waiting();
    spinning.random = () => 1;
    void spinning.run({ poll: 0 });
    await spinning.clock.advance('10s');
    expect(spinning.attempts.length).toBeLessThan(25);
  });

  it('a wake-up ends the sleep', async () => {
    const waiting = new Waiting();
    const won = waiting.run();
    await settle();
    waiting.attempt = () => 'lease';
    waiting.wake();
    expect(await won).toBe('lease');
    expect([waiting.attempts, waiting.left]).toEqual([
      [0, 0],
      [0, 0, 0],
    ]);
  });

  it('a wake-up that comes before the sleep, while a try is under way, is not missed', async () => {
    const waiting = new Waiting();
    const gate = new Gate();
    waiting.attempt = async () => {
      await gate.passed();
      waiting.attempt = () => 'lease';
      return undefined;
    };
    const won = waiting.run();
    await gate.arrived;
    waiting.wake();
    gate.open();
    expect(await won).toBe('lease');
    expect(waiting.attempts).toEqual([0, 0]);
  });

  it('the time limit ends the wait to the millisecond, after one last try', async () => {
    const waiting = new Waiting();
    waiting.random = () => 1;
    const won = waiting.run({ wait: '250ms' });
    await waiting.clock.advance(250);
    expect(await won).toBeUndefined();
    expect([waiting.attempts, waiting.left]).toEqual([
      [0, 100, 250],
      [0, 0, 0],
    ]);
  });

  it('what the last try wins counts', async () => {
    const waiting = new Waiting();
    waiting.random = () => 1;
    const won = waiting.run({ wait: '50ms' });
    await settle();
    waiting.attempt = () => 'lease';
    await waiting.clock.advance(50);
    expect(await won).toBe('lease');
  });

  it('the limit holds when the time of day jumps; limits beyond 2^31 ms and Infinity are as long as they say', async () => {
    const waiting = new Waiting();
    let jump = 0;
    const clock: Clock = {
      now: () => waiting.clock.now() + jump,
      setTimeout: (run, ms) => waiting.clock.setTimeout(run, ms),
      clearTimeout: (handle) => waiting.clock.clearTimeout(handle),
    };
    let ended = false;
    const won = waiting.run({ clock, wait: '10s' }).finally(() => {
      ended = true;
    });
    jump = 86_400_000;
    await waiting.clock.advance(9999);
    expect(ended).toBe(false);
    jump = -86_400_000;
    await waiting.clock.advance(1);
    expect(await won).toBeUndefined();

    for (const wait of [2 ** 32, Number.POSITIVE_INFINITY]) {
      const long = new Waiting();
      void long.run({ wait, poll: 1000 }).then(() => {
        ended = true;
      });
      ended = false;
      await long.clock.advance('30s');
      expect(ended).toBe(false);
    }
  });

  it('an abort before it begins: rejects with the reason, nothing is tried', async () => {
    for (const reason of ['no', null, 0]) {
      const waiting = new Waiting();
      waiting.controller.abort(reason);
      await expect(waiting.run()).rejects.toBe(reason);
      expect([waiting.attempts, waiting.left]).toEqual([[], [0, 0, 0]]);
    }
  });

  it('an abort ends the sleep with its reason, and leaves nothing', async () => {
    const waiting = new Waiting();
    const won = waiting.run({ wait: '10s' });
    await settle();
    waiting.controller.abort(null);
    await expect(won).rejects.toBeNull();
    expect([waiting.attempts, waiting.left]).toEqual([[0], [0, 0, 0]]);
  });

  it('aborted while a try is under way: rejects if it was in vain, but what it won is never lost', async () => {
    for (const answer of ['lease', undefined]) {
      const waiting = new Waiting();
      const gate = new Gate();
      waiting.attempt = async () => {
        await gate.passed();
        return answer;
      };
      const won = waiting.run();
      await gate.arrived;
      waiting.controller.abort('no');
      gate.open();
      if (answer) expect(await won).toBe('lease');
      else await expect(won).rejects.toBe('no');
      expect(waiting.left).toEqual([0, 0, 0]);
    }
  });

  it('a try that throws ends the wait, whichever it is, and leaves neither timer nor listener', async () => {
    for (const fail of [throwing(undefined), () => Promise.reject(undefined)]) {
      for (const which of [0, 2]) {
        const waiting = new Waiting();
        let tries = 0;
        waiting.attempt = () => (tries++ === which ? fail() : undefined);
        const won = waiting.run({ wait: '1h' }).then(
          () => 'won',
          (reason: unknown) => ['thrown', reason],
        );
        await waiting.clock.advance('10s');
        expect(await won).toEqual(['thrown', undefined]);
        expect(waiting.left).toEqual([0, 0, 0]);
      }
    }
  });

  it('a wait that is no duration is refused before anything is tried', async () => {
    const waiting = new Waiting();
    for (const wait of [Number.NaN, -1, 'soon']) await expect(waiting.run({ wait })).rejects.toThrow(ValidationError);
    expect([waiting.attempts, waiting.left]).toEqual([[], [0, 0, 0]]);
  });
});

function throwing(reason: unknown): () => never {
  return () => {
    throw reason;
  };
}
