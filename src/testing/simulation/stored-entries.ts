/** The checks' own account of what is stored, as it was said and answered. Decides whether what is stored still counts by then. */
import { cutOf } from './entries.js';
import type { Meaning, RecordsKnown } from './model.js';
import type { Scheduler } from './scheduler.js';

const GONE: readonly Meaning['kind'][] = ['removed', 'taken back', 'deleted elsewhere', 'evicted entry'];

export interface StoredEntriesOptions {
  readonly scheduler: Scheduler;
  /** As the store has them. */
  recordsOf(region: string): RecordsKnown;
  violated(what: string): void;
}

export class StoredEntries {
  readonly #options: StoredEntriesOptions;
  readonly #stored = new Map<string, { readonly bytes: Uint8Array; readonly at: number; readonly until: number }>();

  constructor(options: StoredEntriesOptions) {
    this.#options = options;
  }

  /** Answers with what was stored there until now, if that has changed. */
  enter(meaning: Meaning): Uint8Array | undefined {
    const before = 'key' in meaning ? this.#stored.get(meaning.key) : undefined;
    this.#enter(meaning);
    return before && 'key' in meaning && this.#stored.get(meaning.key) !== before ? before.bytes : undefined;
  }

  #enter(meaning: Meaning): void {
    const { scheduler, recordsOf, violated } = this.#options;
    if (meaning.kind === 'committed' || meaning.kind === 'said' || meaning.kind === 'written elsewhere') {
      const { key, bytes, ttl = Number.POSITIVE_INFINITY, region } = meaning;
      const cut = region === undefined ? undefined : cutOf(bytes, recordsOf(region));
      if (cut === 'hard' || (cut === 'soft' && meaning.kind === 'said'))
        violated(`a value of ${key} was stored that no longer counted: ${Buffer.from(bytes).toString()}`);
      const { now: at } = scheduler;
      this.#stored.set(key, { bytes, at, until: at + ttl });
    } else if (GONE.includes(meaning.kind) && 'key' in meaning) this.#stored.delete(meaning.key);
  }

  /** What has not expired. */
  entryOf(key: string): Uint8Array | undefined {
    const entry = this.#stored.get(key);
    return entry && entry.until > this.#options.scheduler.now ? entry.bytes : undefined;
  }

  storedAt(key: string): number {
    return this.#stored.get(key)?.at ?? Number.NEGATIVE_INFINITY;
  }
}
