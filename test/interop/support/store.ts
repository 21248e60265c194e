/** Stores that both languages know, as the laws of sharing see them: one server, and how each side is configured for it. */
import type { ConfigureOptions, RegionOptions } from '../../../src/api.js';
import type { CacheRegion } from '../../../src/region/region.js';
import type { OurOptions, Participant, PythonOptions, Side } from './participant.js';

/** What a law may ask of a participant. */
export interface Wishes {
  readonly python?: Partial<Omit<PythonOptions, 'backend'>>;
  readonly ours?: Partial<Omit<OurOptions, 'backend'>>;
}

export interface SharedStore {
  readonly name: string;
  start(): Promise<RunningStore>;
}

export interface RunningStore {
  python(wishes?: Wishes['python']): Promise<Participant>;
  ours(wishes?: Wishes['ours']): Promise<Participant>;
  /** One of ours in this process. */
  region(policy?: ConfigureOptions, options?: RegionOptions, args?: Readonly<Record<string, unknown>>): CacheRegion;
  /** What a Python region without a serializer raises at an entry of ours. */
  readonly strangerRaises: string;
  /** Forgets all entries and locks. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

export const BOTH_WAYS: readonly (readonly [Side, Side])[] = [
  ['python', 'ours'],
  ['ours', 'python'],
];
