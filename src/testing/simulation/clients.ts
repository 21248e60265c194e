/** What the processes of a simulation do: random calls on their regions, with creators that read a database whose versions move. */
import type { CreationContext, MultiCreationContext } from '../../api.js';
import type { CacheRegion } from '../../region/region.js';
import { type Creation, SimulatedFailure, type SimulatedValue, type Verb, type WatchedRegion } from './calls.js';
import type { Chance } from './chance.js';
import type { Watch } from './watch.js';

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
  readonly watch: Pick<Watch<unknown, unknown>, 'calls' | 'creations' | 'origins'>;
  readonly chance: Chance;
  readonly database: Database;
  readonly keys: readonly string[];
  /** What entries may be about; none: nothing is. */
  readonly tags: readonly string[];
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
  softTags: 2,
  hardTags: 3,
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
        const tags = this.#someTags();
        const said = (habit === 'set' ? [key] : [...new Set(some)]).map((each) =>
          watch.origins.newValue(each, database.read(each), { tags }),
        );
        const written = said.map(({ origin }) => origin);
        const values = new Map(said.map(({ value }) => [value.key, value]));
        const write = () =>
          habit === 'set' && said[0] ? region.set(key, said[0].value, { tags }) : region.setMulti(values, { tags });
        return watch.calls.make({ verb: habit, region: watched, keys: [...values.keys()], written }, write, nothing);
      }
      case 'update':
        database.move(key);
        return this.#call('delete', [key], () => region.delete(key), nothing);
      case 'delete':
        return this.#call('delete', [key], () => region.delete(key), nothing);
      case 'deleteMulti':
        return this.#call('deleteMulti', some, () => region.deleteMulti(some), nothing);
      case 'softTags':
      case 'hardTags': {
        const hard = habit === 'hardTags';
        const tags = this.#someTags();
        if (tags.length === 0)
          return this.#call(
            'get',
            [key],
            () => region.get(key),
            (value) => [[key, value]],
          );
        const about = { verb: 'invalidateTags', region: watched, tags, hard } as const;
        return watch.calls.make(about, () => region.invalidateTags(tags, { hard }), nothing);
      }
      default: {
        const hard = habit === 'hard';
        return watch.calls.make(
          { verb: 'invalidate', region: watched, hard },
          () => region.invalidate({ hard }),
          nothing,
        );
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
    const tags = this.#someTags();
    const options = { signal: leaving?.signal, lockWait, background, tags };
    return watch.calls.make(
      {
        verb: 'getOrCreate',
        region: this.#watched,
        keys: [key],
        signal: leaving?.signal,
        lockWait: lockWait !== undefined,
      },
      () => this.#region.getOrCreate(key, (context) => this.#create(key, 0, context, tags), options),
      (value) => [[key, value]],
    );
  }

  #getOrCreateMulti(keys: readonly string[]): Promise<void> {
    const tags = this.#someTags();
    const creator = async (asked: string[], context: MultiCreationContext<SimulatedValue>) => {
      const creations = asked.map((key) => this.#begin(key, tags));
      const made = await this.#made(creations);
      for (const creation of creations) context.tag(creation.key, ...this.#named(creation));
      return made;
    };
    return this.#call(
      'getOrCreateMulti',
      keys,
      () => this.#region.getOrCreateMulti(keys, creator, { tags }),
      (found) => keys.map((key, at) => [key, found[at]]),
    );
  }

  async #create(
    key: string,
    depth: number,
    context: CreationContext<SimulatedValue>,
    tags: readonly string[] = [],
  ): Promise<SimulatedValue> {
    const { chance, keys } = this.#setting;
    const creation = this.#begin(key, tags);
    const [value] = await this.#made([creation], async () => {
      // Always on to later keys, so that no two processes wait for each other.
      const later = keys.slice(keys.indexOf(key) + 1);
      if (depth > 0 || later.length === 0 || !chance.hits(0.1)) return;
      const other = chance.pick(later);
      await this.#call(
        'getOrCreate',
        [other],
        () => this.#region.getOrCreate(other, (inner) => this.#create(other, depth + 1, inner)),
        (found) => [[other, found]],
      );
    });
    if (!value) throw new Error('One creation makes one value.');
    context.tag(...this.#named(creation));
    return value;
  }

  #begin(key: string, tags: readonly string[]): Creation {
    const creation = this.#setting.watch.creations.begin(this.#watched, key);
    for (const tag of tags) creation.tags.add(tag);
    return creation;
  }

  /** Tags that are named at the end of a creation. */
  #named({ tags }: Creation): readonly string[] {
    const named = this.#setting.chance.hits(0.3) ? this.#someTags() : [];
    for (const tag of named) tags.add(tag);
    return named;
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
      for (const creation of creations) watch.creations.end(creation);
    }
  }

  #call<T>(
    verb: Verb,
    keys: readonly string[],
    make: () => Promise<T>,
    values: (result: T) => readonly [string, unknown][],
  ): Promise<void> {
    return this.#setting.watch.calls.make({ verb, region: this.#watched, keys }, make, values);
  }

  #someTags(): string[] {
    const { chance, tags } = this.#setting;
    return tags.filter(() => chance.hits(0.4));
  }

  #someKeys(): string[] {
    const { chance, keys } = this.#setting;
    return Array.from({ length: chance.between(1, keys.length + 1) }, () => chance.pick(keys));
  }
}

const nothing = (): readonly [string, unknown][] => [];
