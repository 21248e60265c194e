/** Private methods: TC39 decorators only. */
import { asCached, makeRegion } from 'dogpile-cache';
import { type Equal, yes } from './support.js';

const region = makeRegion();

export class Reports {
  @region.cacheOnArguments()
  async #load(year: number): Promise<string> {
    return String(year);
  }

  @region.cacheOnArguments()
  static async #total(year: number): Promise<number> {
    return year;
  }

  async use() {
    const cached = asCached(this.#load, this);
    yes<Equal<ReturnType<typeof cached>, Promise<string>>>();
    await cached.invalidate(2026);
    // @ts-expect-error a year is a number
    await cached.invalidate('2026');
    return asCached(Reports.#total, Reports).get(2026);
  }
}
