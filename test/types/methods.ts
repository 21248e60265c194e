/** Method decorators: the same source in both decorator modes. Private methods, which one of them doesn't have, are in private-methods.ts. */
import { asCached, asCachedMulti, makeRegion } from 'dogpile-cache';
import { type Equal, yes } from './support.js';

interface Report {
  readonly year: number;
}
const region = makeRegion();

class Reports {
  readonly team = 'blue';

  @region.cacheOnArguments({ namespace: 'Reports' })
  async load(year: number, team?: string): Promise<Report> {
    return { year: team ? year : 0 };
  }

  @region.cacheOnArguments({ key: (year: number) => [year], tags: (year: number) => [`year:${year}`] })
  async checked(year: number, _signal?: AbortSignal): Promise<Report> {
    return { year };
  }

  @region.cacheOnArguments()
  static async total(year: number): Promise<number> {
    return year;
  }

  @region.cacheOnArguments()
  async same<T>(value: T): Promise<T> {
    return value;
  }

  @region.cacheMultiOnArguments()
  async many(years: number[]): Promise<Report[]> {
    return years.map((year) => ({ year }));
  }

  @region.cacheMultiOnArguments({ asMap: true })
  async some(years: number[]): Promise<Map<number, Report>> {
    return new Map(years.map((year) => [year, { year }]));
  }

  refresh(): Promise<Report> {
    return asCached(this.load, this).refresh(2026);
  }
}

const reports = new Reports();
yes<Equal<ReturnType<typeof reports.load>, Promise<Report>>>();
yes<Equal<Parameters<typeof reports.load>, [year: number, team?: string | undefined]>>();
// @ts-expect-error a year is a number
reports.load('2026');

asCached(reports.load).invalidate(2026);
// @ts-expect-error the verbs take the arguments of the method
asCached(reports.load).invalidate('2026');
asCached(reports, 'load').refresh(2026, 'red');
// @ts-expect-error also by name
asCached(reports, 'load').refresh(true);
// @ts-expect-error a field is no method
asCached(reports, 'team');
// @ts-expect-error there is no such method
asCached(reports, 'laod');
asCached(Reports.total).get(2026);
asCached(Reports, 'total').get(2026);
const loaded = asCached(reports, 'load').get(2026);
yes<Equal<typeof loaded, Promise<Report | undefined>>>();

const many = asCachedMulti(reports.many, reports);
yes<Equal<ReturnType<typeof many>, Promise<Report[]>>>();
yes<Equal<ReturnType<typeof many.load>, Promise<Report>>>();
// @ts-expect-error ids are numbers
many.load('2026');
const some = asCachedMulti(reports.some, reports);
yes<Equal<ReturnType<typeof some>, Promise<Map<number, Report>>>>();
yes<Equal<ReturnType<typeof some.load>, Promise<Report | undefined>>>();

export class Wrong {
  // @ts-expect-error a decorated method returns a promise
  @region.cacheOnArguments()
  sync(year: number): Report {
    return { year };
  }

  // @ts-expect-error the key takes another argument than the method
  @region.cacheOnArguments({ key: (year: string) => [year] })
  async annotated(year: number): Promise<Report> {
    return { year };
  }

  // @ts-expect-error many values come as an array
  @region.cacheMultiOnArguments()
  async single(year: number[]): Promise<number> {
    return year.length;
  }

  // @ts-expect-error with asMap they come as a Map
  @region.cacheMultiOnArguments({ asMap: true })
  async array(years: number[]): Promise<number[]> {
    return years;
  }

  // @ts-expect-error a field is no method
  @region.cacheOnArguments()
  field = 5;
}
