/**
 * Wake-ups of those who wait for a lock: one listening connection, made when somebody first waits, and who wants to be woken by what.
 * A wake-up may come for nothing and may be missed; waiters look for themselves, and poll besides.
 */
import type { Clock } from '../../api.js';
import type { EarEvents, RedisEar } from './client.js';

export interface WakeUpsOptions {
  readonly open: (events: EarEvents) => Promise<RedisEar | undefined>;
  readonly clock: () => Clock;
  /** Once per outage. */
  readonly report: (error: unknown) => void;
}

/** How long a lock that nobody waits for any more stays subscribed to: the next to wait for it is often near. */
const LINGER = 1000;

/** One lock that is waited for. */
interface Watched {
  /** Who may touch it: `watch` and `end`. */
  watchers: number;
  readonly listeners: Set<() => void>;
  /** There once it was asked for; `true` when it is subscribed to. */
  subscription: Promise<boolean> | undefined;
  isOn: boolean;
  linger: unknown;
}

export interface Watch {
  /** Calls back at each wake-up; the answer ends that. */
  wake(run: () => void): () => void;
  /** Sees to it that wake-ups come in. Wakes once they do: one may have been missed before. */
  open(): void;
  end(): void;
}

export class WakeUps {
  readonly #options: WakeUpsOptions;
  readonly #watched = new Map<string, Watched>();
  #ear: Promise<RedisEar | undefined> | undefined;
  /** Its connection is lost, which has been told. */
  #isTroubled = false;
  /** A subscription was refused, which has been told. Until one is not. */
  #isRefused = false;
  #isClosed = false;

  constructor(options: WakeUpsOptions) {
    this.#options = options;
  }

  watch(lock: string): Watch {
    const watched = this.#watched.get(lock) ?? {
      watchers: 0,
      listeners: new Set(),
      subscription: undefined,
      isOn: false,
      linger: undefined,
    };
    this.#watched.set(lock, watched);
    watched.watchers += 1;
    return {
      wake: (run) => {
        watched.listeners.add(run);
        return () => watched.listeners.delete(run);
      },
      open: () => {
        watched.subscription ??= this.#subscribe(lock, watched);
      },
      end: () => {
        watched.watchers -= 1;
        if (watched.watchers === 0) this.#leave(lock, watched);
      },
    };
  }

  /**
   * Who waits is woken, and ends his watch. What lingers is left now, and from now on nothing does: the connection may be a client's that
   * goes on without us.
   */
  close(): void {
    this.#isClosed = true;
    for (const [lock, watched] of [...this.#watched]) {
      this.#options.clock().clearTimeout(watched.linger);
      wakeAll(watched);
      this.#end(lock, watched);
    }
    this.#ear?.then((ear) => ear?.close()).catch(() => {});
  }

  /** Answers with whether it is subscribed to; if not, the next to wait asks again. */
  async #subscribe(lock: string, watched: Watched): Promise<boolean> {
    try {
      const ear = await this.#openEar();
      if (!ear) return false;
      await ear.subscribe(lock);
      watched.isOn = true;
      this.#isRefused = false;
      wakeAll(watched);
      return true;
    } catch (error) {
      watched.subscription = undefined;
      if (!this.#isRefused) this.#failed(error);
      this.#isRefused = true;
      return false;
    }
  }

  #openEar(): Promise<RedisEar | undefined> {
    this.#ear ??= this.#options.open({
      heard: (lock) => {
        const watched = this.#watched.get(lock);
        if (watched) wakeAll(watched);
      },
      connected: () => {
        this.#isTroubled = false;
        // Who has no subscription has lost it with the connection: he asks again. One under way wakes by itself.
        for (const watched of this.#watched.values()) if (watched.isOn || !watched.subscription) wakeAll(watched);
      },
      failed: (error) => this.#failed(error),
    });
    const ear = this.#ear;
    ear.catch(() => {
      if (this.#ear === ear) this.#ear = undefined;
    });
    return ear;
  }

  #leave(lock: string, watched: Watched): void {
    const clock = this.#options.clock();
    clock.clearTimeout(watched.linger);
    if (!watched.subscription) this.#forget(lock, watched);
    else if (this.#isClosed) this.#end(lock, watched);
    else watched.linger = clock.setTimeout(() => this.#end(lock, watched), LINGER);
  }

  #end(lock: string, watched: Watched): void {
    if (watched.watchers > 0) return;
    this.#forget(lock, watched);
    this.#unsubscribe(lock, watched).catch((error: unknown) => this.#failed(error));
  }

  #forget(lock: string, watched: Watched): void {
    if (this.#watched.get(lock) === watched) this.#watched.delete(lock);
  }

  async #unsubscribe(lock: string, watched: Watched): Promise<void> {
    if (!(await watched.subscription)) return;
    // Somebody waits for it again, with a subscription of his own: the same to the server.
    if (this.#watched.get(lock)?.subscription) return;
    const ear = await this.#ear;
    await ear?.unsubscribe(lock);
  }

  #failed(error: unknown): void {
    if (this.#isTroubled || this.#isClosed) return;
    this.#isTroubled = true;
    this.#options.report(error);
  }
}

function wakeAll({ listeners }: Watched): void {
  for (const run of [...listeners]) run();
}
