/**
 * The checks' own account of leases: what was granted, and until when it stands, from the meaning of what was asked and answered and
 * from nothing the store keeps. Decides whether a grant, a renewal, a commit or a release was lawful.
 */
import type { Meaning } from './model.js';
import type { SimulatedProcess } from './process.js';

export interface Grant {
  readonly key: string;
  readonly token: string;
  readonly process: SimulatedProcess;
  readonly at: number;
  readonly region: string | undefined;
  until: number;
  /** Why it no longer stands, if it was not time. */
  ended: string | undefined;
}

export class Ledger {
  readonly #violated: (what: string) => void;
  /** By token. */
  readonly #grants = new Map<string, Grant>();
  /** The one that may stand. */
  readonly #latest = new Map<string, Grant>();
  /** The request that released a token. */
  readonly #releases = new Map<string, number>();
  readonly #givenUp = new Set<string>();

  constructor(violated: (what: string) => void) {
    this.#violated = violated;
  }

  stands(token: string, now: number): boolean {
    const grant = this.#grants.get(token);
    return grant !== undefined && grant.ended === undefined && grant.until > now;
  }

  /** Grants that nobody has ended, nor tried to: one whose release was lost, or came before it, is left to lapse. */
  get open(): readonly Grant[] {
    return [...this.#grants.values()].filter(({ ended, token }) => ended === undefined && !this.#givenUp.has(token));
  }

  /** A process has asked to release it. */
  givesUp(token: string): void {
    this.#givenUp.add(token);
  }

  enter(meaning: Meaning, process: SimulatedProcess | undefined, request: number, now: number): void {
    if (meaning.kind === 'granted') return this.#granted(meaning, process, now);
    if (meaning.kind === 'invalidated') {
      if (!meaning.hard) return;
      for (const grant of this.#grants.values())
        if (grant.region === meaning.region) grant.ended ??= 'its region was invalidated';
      return;
    }
    if (meaning.kind === 'evicted entry') return;
    if (!('token' in meaning)) {
      const grant = this.#latest.get(meaning.key);
      if (grant) grant.ended ??= `its key was ${meaning.kind}`;
      return;
    }
    const { kind, key, token } = meaning;
    const grant = this.#grants.get(token);
    const stands = this.stands(token, now);
    const whose = `${key}#${token.slice(0, 4)} of ${grant?.process.name ?? 'nobody'}`;
    if (grant && process && grant.process !== process) this.#violated(`${process.name} has ${kind} the lease ${whose}`);
    if (kind === 'renewed') {
      if (!stands)
        this.#violated(
          `the lease ${whose} was renewed although it no longer stands (${grant?.ended ?? 'it has lapsed'})`,
        );
      else if (grant) grant.until = now + meaning.ms;
      return;
    }
    if (kind === 'committed' && !stands)
      this.#violated(`a commit was stored under ${whose}, which no longer stands (${grant?.ended ?? 'it has lapsed'})`);
    if (kind === 'refused' && stands && !meaning.fenced)
      this.#violated(`a commit was refused under ${whose}, which stands`);
    if (kind === 'released') {
      const before = this.#releases.get(token);
      if (before !== undefined && before !== request) this.#violated(`the lease ${whose} was released twice`);
      this.#releases.set(token, request);
    }
    if (grant) grant.ended ??= kind;
  }

  #granted(
    { key, token, ms, region }: Meaning & { kind: 'granted' },
    process: SimulatedProcess | undefined,
    now: number,
  ): void {
    if (!process) return;
    const before = this.#latest.get(key);
    if (before && before.token !== token && this.stands(before.token, now)) {
      this.#violated(
        `${process.name} was granted ${key}#${token.slice(0, 4)} while ${key}#${before.token.slice(0, 4)} of ${before.process.name} stands`,
      );
    }
    const grant: Grant = { key, token, process, at: now, region, until: now + ms, ended: undefined };
    this.#grants.set(token, grant);
    this.#latest.set(key, grant);
  }
}
