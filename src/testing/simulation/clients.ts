/** What the processes of a simulation do: random calls on their regions, with creators that read a database whose versions move. */
import type { CacheRegion } from '../../region/region.js';
import type { Chance } from './chance.js';
import {
  type Creation,
  SimulatedFailure,
  type SimulatedValue,
  type Verb,
  type Watch,
  type WatchedRegion,
} from './watch.js';

/** Versions of what is cached. */
export class Database {
  readonly #versions = new Map<string, number>();

  read(key: string): number {
    return this.#versions.get(key) ?? 0;
  }

  move(key: string): void {
    this.#versions.set(key, this.read(key) + 1);
  }
}

export interface Setting {
  readonly watch: Pick<Watch<unknown, unknown>, 'call' | 'newValue' | 'beginCreation' | 'endCreation'>;
  readonly chance: Chance;
  readonly database: Database;
  readonly keys: readonly string[];
}

/** Weights of what a client does next. */
const HABITS = {
  getOrCreate: 50,
  getOrCreateMulti: 14,
  get: 8,
  getMulti: 3,
  set: 6,
  setMulti: 2,
  delete: 8,
  deleteMulti: 2,
  update: 6,
  soft: 3,
  hard: 2,
} as const;

export class Client {
  readonly #setting: Setting;
  readonly #region: CacheRegion<SimulatedValue>;
  readonly #watched: WatchedRegion;

  constructor(setting: Setting, region: CacheRegion<SimulatedValue>, watched: WatchedRegion) {
    this.#setting = setting;
    this.#region = region;
    this.#watched = watched;
  }

  /** One call after another, with pauses between them. */
  async run(calls: number): Promise<void> {
    const { chance } = this.#setting;
    for (let call = 0; call < calls; call++) {
      await this.#watched.process.sleep(chance.hits(0.3) ? 0 : chance.between(1, chance.hits(0.2) ? 1500 : 120));
      await this.#next();
    }
  }

  #next(): Promise<void> {
    const { chance, keys, database, watch } = this.#setting;
    const region = this.#region;
    const watched = this.#watched;
    const key = chance.pick(keys);
    const some = this.#someKeys();
    const habit = chance.weighted(HABITS);
    switch (habit) {
      case 'getOrCreate':
        return this.#getOrCreate(key);
      case 'getOrCreateMulti':
        return this.#getOrCreateMulti(some);
      case 'get':
        return this.#call(
          'get',
          [key],
          () => region.get(key),
          (value) => [[key, value]],
        );
      case 'getMulti':
        return this.#call(
          'getMulti',
          some,
          () => region.getMulti(some),
          (found) => some.map((each, at) => [each, found[at]]),
        );
      case 'set':
      case 'setMulti': {
        const said = (habit === 'set' ? [key] : [...new Set(some)]).map((each) =>
          watch.newValue(each, database.read(each)),
        );
        const written = said.map(({ origin }) => origin);
        const values = new Map(said.map(({ value }) => [value.key, value]));
        const write = () => (habit === 'set' && said[0] ? region.set(key, said[0].value) : region.setMulti(values));
        return watch.call({ verb: habit, region: watched, keys: [...values.keys()], written }, write, nothing);
      }
      case 'update':
        database.move(key);
        return this.#call('delete', [key], () => region.delete(key), nothing);
      case 'delete':
        return this.#call('delete', [key], () => region.delete(key), nothing);
      case 'deleteMulti':
        return this.#call('deleteMulti', some, () => region.deleteMulti(some), nothing);
      default: {
        const hard = habit === 'hard';
        return watch.call({ verb: 'invalidate', region: watched, hard }, () => region.invalidate({ hard }), nothing);
      }
    }
  }

  #getOrCreate(key: string): Promise<void> {
    const { chance, watch } = this.#setting;
    const leaving = chance.hits(0.1) ? new AbortController() : undefined;
    if (leaving)
      this.#watched.process.clock.setTimeout(
        () => leaving.abort(new Error('The caller leaves.')),
        chance.between(1, 400),
      );
    const lockWait = chance.hits(0.05) ? chance.between(1, 1000) : undefined;
    const background = chance.hits(0.1) ? true : undefined;
    const options = { signal: leaving?.signal, lockWait, background };
    return watch.call(
      {
        verb: 'getOrCreate',
        region: this.#watched,
        keys: [key],
        signal: leaving?.signal,
        lockWait: lockWait !== undefined,
      },
      () => this.#region.getOrCreate(key, () => this.#create(key, 0), options),
      (value) => [[key, value]],
    );
  }

  #getOrCreateMulti(keys: readonly string[]): Promise<void> {
    const creator = async (asked: string[]) => {
      const creations = asked.map((key) => this.#setting.watch.beginCreation(this.#watched, key));
      return this.#made(creations);
    };
    return this.#call(
      'getOrCreateMulti',
      keys,
      () => this.#region.getOrCreateMulti(keys, creator),
      (found) => keys.map((key, at) => [key, found[at]]),
    );
  }

  async #create(key: string, depth: number): Promise<SimulatedValue> {
    const { chance, watch, keys } = this.#setting;
    const creation = watch.beginCreation(this.#watched, key);
    const [value] = await this.#made([creation], async () => {
      // Always on to later keys, so that no two processes wait for each other.
      const later = keys.slice(keys.indexOf(key) + 1);
      if (depth > 0 || later.length === 0 || !chance.hits(0.1)) return;
      const other = chance.pick(later);
      await this.#call(
        'getOrCreate',
        [other],
        () => this.#region.getOrCreate(other, () => this.#create(other, depth + 1)),
        (found) => [[other, found]],
      );
    });
    if (!value) throw new Error('One creation makes one value.');
    return value;
  }

  /** Takes its time, and fails now and then. */
  async #made(
    creations: readonly Creation[],
    meanwhile: () => Promise<void> = async () => {},
  ): Promise<SimulatedValue[]> {
    const { chance, watch, database } = this.#setting;
    const versions = creations.map(({ key }) => database.read(key));
    try {
      await this.#watched.process.sleep(chance.between(0, chance.hits(0.15) ? 6000 : chance.hits(0.3) ? 900 : 120));
      await meanwhile();
      if (chance.hits(0.08)) throw new SimulatedFailure(creations);
      return creations.map(({ id, key }, at) => ({ id, key, version: versions[at] ?? 0 }));
    } finally {
      for (const creation of creations) watch.endCreation(creation);
    }
  }

  #call<T>(
    verb: Verb,
    keys: readonly string[],
    make: () => Promise<T>,
    values: (result: T) => readonly [string, unknown][],
  ): Promise<void> {
    return this.#setting.watch.call({ verb, region: this.#watched, keys }, make, values);
  }

  #someKeys(): string[] {
    const { chance, keys } = this.#setting;
    return Array.from({ length: chance.between(1, keys.length + 1) }, () => chance.pick(keys));
  }
}

const nothing = (): readonly [string, unknown][] => [];
