/** The conformance suite: which laws a backend and its locks are held to. */
import { fenceLaws } from './fence-laws.js';
import { generationLaws } from './generation-laws.js';
import { type ConformanceOptions, checkExceptions, type Law, lawsOf } from './law.js';
import { mutexDrafts } from './mutex-laws.js';
import { regionLaws } from './region-laws.js';
import { storageLaws } from './storage-laws.js';

const OF_BACKENDS = [...storageLaws, ...generationLaws, ...regionLaws];
const OF_MUTEXES = [...mutexDrafts, ...fenceLaws];

/**
 * The laws of what a backend stores and of a region over it, as data that any test runner loops over. Loop over `mutexLaws` too.
 * `ValidationError` for options that are not right.
 */
export function backendLaws(options: ConformanceOptions): readonly Law[] {
  const laws = lawsOf(OF_BACKENDS, options);
  checkExceptions([...OF_BACKENDS, ...OF_MUTEXES], options);
  return laws;
}

/** The laws of a backend's locks and of what is written under them; where it declares no mutex, each says so in its `skip`. */
export function mutexLaws(options: ConformanceOptions): readonly Law[] {
  const laws = lawsOf(OF_MUTEXES, options);
  checkExceptions([...OF_BACKENDS, ...OF_MUTEXES], options);
  return laws;
}
