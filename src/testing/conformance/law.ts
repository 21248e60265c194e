/**
 * Laws as data, for any test runner: what a law is, what it is given to work with, and when it does not apply. The laws
 * themselves stand in the files beside this one.
 */
import type { CacheBackend, Duration } from '../../api.js';
import { durationOption } from '../../duration.js';
import { ValidationError } from '../../errors.js';
import { checkFunction, checkObject, nearest, refuseUnknown } from '../../validation.js';
import { Bench } from './bench.js';

/** One law. `run` makes a backend, checks it and disposes of it; it rejects when the law is broken. */
export interface Law {
  readonly name: string;
  /**
   * Why this law does not apply. Known at once where it hangs on the options (there is no `second`), and when `run` has settled
   * where it hangs on what the backend declares (it has no mutex): look at it before and after.
   */
  readonly skip?: string;
  run(): Promise<void>;
}

export interface ConformanceOptions {
  /** A backend over an empty store. Called once for each law; `attach` and `ready` are called by the law. */
  create(): CacheBackend | Promise<CacheBackend>;
  /** What is to be done with each of them in the end. Default: its `close`. */
  dispose?(backend: CacheBackend): void | Promise<void>;
  /** Another backend over the store of the last `create`, as another process has it. */
  second?(): CacheBackend | Promise<CacheBackend>;
  /** Another one over the same store, whose leases may be held for a second at most: `lockMaxHold: '200ms'`. */
  lapsing?(): CacheBackend | Promise<CacheBackend>;
  /** Drops the records of all regions, or of all tags, from the store of the last `create`, as a store that evicts them does. */
  forget?(what: 'regions' | 'tags'): void | Promise<void>;
  /** Laws that this backend is allowed to break, by name, and why. They are skipped with that reason. */
  except?: Readonly<Record<string, string>> | undefined;
  /** How long a law may take. Default `'10s'`. */
  patience?: Duration | undefined;
}

/** Why a law does not apply to this backend, or `undefined`: it does. */
export type Need = (backend: CacheBackend) => string | undefined;

/** A law before it knows whom it is for. */
export interface Draft {
  readonly name: string;
  readonly needs: readonly Need[];
  /** What of the options it can't do without. */
  readonly uses?: 'second' | 'lapsing' | 'forget' | undefined;
  /** Throws when the law is broken. Answers with why it does not apply, where that is found out only now. */
  check(bench: Bench): void | Promise<string | void>;
}

export const storing: Need = (backend) =>
  backend.storesNothing ? 'This backend stores nothing (storesNothing).' : undefined;
export const storingNothing: Need = (backend) =>
  backend.storesNothing ? undefined : 'Only for backends that store nothing (storesNothing).';
export const bytes: Need = (backend) =>
  backend.stores === 'bytes' ? undefined : 'Only for backends that store bytes.';
export const values: Need = (backend) =>
  backend.stores === 'values' ? undefined : 'Only for backends that store values.';
export const mutex: Need = (backend) =>
  backend.mutex?.('') === undefined
    ? 'This backend has no mutex of its own: the region elects inside the process.'
    : undefined;
export const generations: Need = (backend) =>
  backend.generations === undefined
    ? 'This backend keeps no generations: invalidations stay in the process.'
    : undefined;

/** The laws of some drafts for one kind of backend. */
export function lawsOf(drafts: readonly Draft[], options: ConformanceOptions): readonly Law[] {
  checkOptions(options);
  return drafts.map((draft) => lawOf(draft, options));
}

/** Exceptions that are no law's name are a mistake; known only where all laws are. */
export function checkExceptions(drafts: readonly Draft[], { except = {} }: ConformanceOptions): void {
  const names = drafts.map(({ name }) => name);
  for (const name of Object.keys(except)) {
    if (names.includes(name)) continue;
    const close = nearest(name, names);
    throw new ValidationError(
      `except: no law is called "${name}".${close === undefined ? '' : ` Did you mean "${close}"?`}`,
    );
  }
}

function lawOf(draft: Draft, options: ConformanceOptions): Law {
  const excepted = options.except?.[draft.name];
  const law: { name: string; skip?: string; run(): Promise<void> } = {
    name: draft.name,
    run: async () => {
      if (excepted === undefined && !lacks(draft, options)) await runLaw();
    },
  };
  const runLaw = async () => {
    const bench = new Bench(options);
    await bench.use(async () => {
      const lacking = draft.needs.map((need) => need(bench.backend)).find((why) => why !== undefined);
      const reason = lacking ?? (await draft.check(bench));
      if (reason !== undefined) law.skip = reason;
    }, draft.name);
  };
  if (excepted !== undefined) law.skip = excepted;
  else if (lacks(draft, options)) law.skip = `The options have no ${draft.uses}().`;
  return law;
}

function lacks({ uses }: Draft, options: ConformanceOptions): boolean {
  return uses !== undefined && options[uses] === undefined;
}

function checkOptions(options: ConformanceOptions): void {
  checkObject('The options of the conformance suite', options);
  const functions = ['dispose', 'second', 'lapsing', 'forget'] as const;
  refuseUnknown('The conformance suite', options, ['create', ...functions, 'except', 'patience']);
  checkFunction('create', options.create);
  for (const name of functions) if (options[name] !== undefined) checkFunction(name, options[name]);
  if (options.patience !== undefined) durationOption(options.patience, 'patience');
}
