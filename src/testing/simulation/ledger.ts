/**
 * The checks' own account of leases: what was granted, and until when it stands, from the meaning of what was asked and answered and
 * from nothing the store keeps. Decides whether a grant, a renewal, a commit or a release was lawful.
 */
import type { Fence, Granted, InSteps, Meaning } from './model.js';
import type { SimulatedProcess } from './process.js';

/** What changes what is stored under a key. */
const CHANGES: readonly Meaning['kind'][] = [
  'committed',
  'said',
  'removed',
  'taken back',
  'written elsewhere',
  'deleted elsewhere',
  'evicted entry',
];
/** Of leases. Other programs know nothing of ours. */
const SAYS_NOTHING: readonly Meaning['kind'][] = [
  'evicted entry',
  'written elsewhere',
  'deleted elsewhere',
  'looked',
  'taken back',
];

export interface Grant {
  readonly key: string;
  readonly token: string;
  readonly process: SimulatedProcess;
  readonly at: number;
  readonly region: string | undefined;
  readonly isForeign: boolean;
  readonly fence: Fence;
  readonly isVoid: boolean;
  readonly isTriedFor: (() => boolean) | undefined;
  until: number;
  /** A hard invalidation of its region lets others take it over, and its holder not renew it; a commit is judged by its generation. */
  isCut: boolean;
  /** Why it no longer stands, if it was not time. */
  ended: string | undefined;
  /** When that was. */
  endedAt: number | undefined;
  /** What was said of its key, by a call that has not returned; it is void when that does. */
  overruled: string | undefined;
  /** What has become of the value that was stored when it was granted, if anything. */
  overwritten: string | undefined;
}

/** What was stored under a lease that did not stand. */
export interface Doubtful {
  readonly grant: Grant;
  readonly how: InSteps | undefined;
}

/** Whether nobody can be asked to take it back. */
export function mayStay({ grant: { process }, how }: Doubtful): boolean {
  if (!process.isAlive) return how?.mayDie ?? true;
  return how !== undefined && (how.isLate || how.isCutOff());
}

export class Ledger {
  readonly #violated: (what: string) => void;
  readonly #maxHold: number;
  /** By token. */
  readonly #grants = new Map<string, Grant>();
  /** The one that may stand. */
  readonly #latest = new Map<string, Grant>();
  /** The request that released a token, and when. */
  readonly #releases = new Map<string, { readonly request: number; readonly at: number }>();
  readonly #givenUp = new Set<string>();
  /** By key: what was stored under a lease that did not stand, and is to be taken back. */
  readonly #doubtful = new Map<string, Doubtful>();

  /** `maxHold`: how long a holder renews at most, in milliseconds. */
  constructor(violated: (what: string) => void, maxHold: number) {
    this.#violated = violated;
    this.#maxHold = maxHold;
  }

  grantOf(token: string): Grant | undefined {
    return this.#grants.get(token);
  }

  stands(token: string, now: number): boolean {
    const grant = this.#grants.get(token);
    return grant !== undefined && grant.ended === undefined && !grant.isCut && grant.until > now;
  }

  /** Whether there has been, since then, a lock without an end for so long that nobody waits for it any more. */
  isStuck(key: string, since: number, now: number): boolean {
    return [...this.#grants.values()].some((grant) => {
      if (grant.key !== key || grant.until !== Number.POSITIVE_INFINITY) return false;
      const last = grant.endedAt ?? now;
      return last >= since && last - grant.at >= this.#maxHold;
    });
  }

  /** One that could have been renewed, and was not. */
  lapsed(token: string, now: number): Grant | undefined {
    const grant = this.#grants.get(token);
    if (!grant || grant.ended !== undefined || grant.isCut) return undefined;
    return grant.until <= now && now - grant.at < this.#maxHold ? grant : undefined;
  }

  /**
   * Grants of ours that nobody has ended, nor tried to: one whose release was lost, or came before it, is left to lapse. Other programs
   * may not know that they have won.
   */
  get open(): readonly Grant[] {
    return [...this.#grants.values()].filter(
      ({ ended, token, isForeign }) => ended === undefined && !isForeign && !this.#givenUp.has(token),
    );
  }

  /** What was stored that should not be there, and still is. */
  get notTakenBack(): readonly Doubtful[] {
    return [...this.#doubtful.values()];
  }

  /** A call that deletes or sets a key has returned: no lease that it found there stands. */
  overruled(key: string, now: number): void {
    for (const grant of this.#grants.values())
      if (grant.key === key && grant.overruled) end(grant, `its key was ${grant.overruled}`, now);
  }

  /** What was stored under it is none of its process's any more: it has ended, and not by a release that was heard of. */
  mayTakeBack(token: string, now: number): boolean {
    const grant = this.#grants.get(token);
    if (!grant || this.stands(token, now)) return false;
    const { ended, process, at } = grant;
    return ended !== 'released' || Math.max(process.troubledAt, process.disturbedAt) >= at;
  }

  /** A process has asked to release it. */
  givesUp(token: string): void {
    this.#givenUp.add(token);
  }

  enter(meaning: Meaning, process: SimulatedProcess | undefined, request: number, now: number): void {
    if (meaning.kind === 'granted') return this.#granted(meaning, process, now);
    if (meaning.kind === 'invalidated') {
      // What bears a tag is known at the commit, which compares it.
      if (!meaning.hard || meaning.tags) return;
      for (const grant of this.#grants.values()) if (grant.region === meaning.region) grant.isCut = true;
      return;
    }
    if (meaning.kind === 'denied') return this.#denied(meaning, process, now);
    if (meaning.kind === 'looked' && process) return this.#looked(meaning.key, process, now);
    if (meaning.kind === 'touched') {
      const grant = this.#grants.get(meaning.of);
      if (grant) grant.until = now + meaning.ms;
      return;
    }
    if (CHANGES.includes(meaning.kind)) this.#changed(meaning, now);
    if (SAYS_NOTHING.includes(meaning.kind)) return;
    if (!('token' in meaning)) {
      const of = 'of' in meaning ? meaning.of : undefined;
      const isLost = meaning.kind === 'evicted lease' || of !== undefined;
      const grant = of === undefined ? this.#latest.get(meaning.key) : this.#grants.get(of);
      // A lock that is removed by itself stands until then.
      if (!grant || !(isLost || !(grant.isForeign || isApart(grant)))) return;
      if ('leavesLease' in meaning && meaning.leavesLease) grant.overruled ??= meaning.kind;
      else end(grant, `its key was ${meaning.kind}`, now);
      return;
    }
    const { kind, key, token } = meaning;
    const grant = this.#grants.get(token);
    const stands = this.stands(token, now);
    const whose = `${key}#${token.slice(0, 4)} of ${grant?.process.name ?? 'nobody'}`;
    if (grant && process && grant.process !== process) this.#violated(`${process.name} has ${kind} the lease ${whose}`);
    if (kind === 'renewed') {
      // What it was won for may be gone, and its lock still there.
      if (grant?.isVoid || (grant?.fence === 'value' && grant.overwritten)) return;
      if (!stands) this.#violated(`the lease ${whose} was renewed although it no longer stands (${whyNot(grant)})`);
      else if (grant) grant.until = now + meaning.ms;
      return;
    }
    if (kind === 'committed' && !this.isItsOwn(token, now)) {
      const { how } = meaning;
      if (grant && isApart(grant) && how?.isRead !== false) this.#doubtful.set(key, { grant, how });
      else this.#violated(`a commit was stored under ${whose}, which no longer stands (${whyNot(grant)})`);
    }
    if (kind === 'refused' && stands && !meaning.fenced)
      this.#violated(`a commit was refused under ${whose}, which stands`);
    if (kind === 'released') {
      const before = this.#releases.get(token);
      // Twice is lawful where a commit or an acquire was not answered in time: it is released behind that, whatever comes later.
      const by = grant?.process ?? process;
      const isTroubled = by && before && Math.max(by.troubledAt, by.disturbedAt) >= (grant ?? before).at;
      if (before && before.request !== request && !isTroubled) this.#violated(`the lease ${whose} was released twice`);
      this.#releases.set(token, { request, at: now });
    }
    // Where it is a step of its own, a commit leaves the lease to be released.
    if (grant && !(kind === 'committed' && grant.fence === 'steps')) end(grant, kind, now);
  }

  /** Who looks for a lease of his that has lapsed finds nothing to release. */
  #looked(key: string, process: SimulatedProcess, now: number): void {
    for (const grant of this.#grants.values())
      if (grant.process === process && grant.key === key && grant.until <= now) this.#givenUp.add(grant.token);
  }

  /** Whether a commit under it is lawful. */
  isItsOwn(token: string, now: number): boolean {
    const grant = this.#grants.get(token);
    if (grant?.fence === 'value') return grant.overwritten === undefined;
    return grant !== undefined && grant.ended === undefined && grant.until > now;
  }

  /** What is stored is another: by a commit, or by whatever else. */
  #changed(meaning: Extract<Meaning, { readonly key: string }>, now: number): void {
    const { key, kind } = meaning;
    this.#doubtful.delete(key);
    for (const grant of this.#grants.values()) {
      if (grant.key !== key || grant.fence === 'lease') continue;
      // That it was set counts whatever came before.
      if (grant.overwritten && kind !== 'said') continue;
      if ('token' in meaning && meaning.token === grant.token) continue;
      grant.overwritten = kind;
      if (grant.fence === 'value') end(grant, `its key was ${kind}`, now);
    }
  }

  /**
   * Whether what is stored under it may be there for a moment and no more: its lock is gone; or about to be, since the key was set: what
   * was set would be in its way, had nobody deleted that.
   */
  isDoubtful(token: string, now: number): boolean {
    const grant = this.#grants.get(token);
    if (!grant || !isApart(grant)) return false;
    return (grant.fence === 'reread' && grant.overwritten === 'said') || !this.isItsOwn(token, now);
  }

  /** Who is denied a lease waits for somebody: there has to be somebody. */
  #denied(
    { key, token }: { readonly key: string; readonly token: string },
    process: SimulatedProcess | undefined,
    now: number,
  ): void {
    const holder = this.#latest.get(key);
    if (holder && holder.ended === undefined && holder.until > now) return;
    this.#violated(`${process?.name} was denied ${key}#${token.slice(0, 4)}, of which nobody has the lease`);
  }

  #granted(
    { key, token, ms, region, isForeign = false, fence = 'lease', isVoid = false, isTriedFor }: Granted,
    process: SimulatedProcess | undefined,
    now: number,
  ): void {
    if (!process) return;
    const before = this.#latest.get(key);
    if (!isVoid && before && before.token !== token && this.stands(before.token, now)) {
      this.#violated(
        `${process.name} was granted ${key}#${token.slice(0, 4)} while ${key}#${before.token.slice(0, 4)} of ${before.process.name} stands`,
      );
    }
    if (!isVoid && before && before.token !== token) end(before, 'another took it over', now);
    const grant: Grant = {
      key,
      token,
      process,
      at: now,
      region,
      until: now + ms,
      isCut: false,
      isForeign,
      fence,
      isVoid,
      isTriedFor,
      ended: isVoid ? 'it was void' : undefined,
      endedAt: isVoid ? now : undefined,
      overruled: undefined,
      overwritten: undefined,
    };
    this.#grants.set(token, grant);
    if (!isVoid) this.#latest.set(key, grant);
  }
}

/** A lock beside what is stored: neither ends the other. */
function isApart({ fence }: Grant): boolean {
  return fence === 'reread' || fence === 'steps';
}

function end(grant: Grant, why: string, now: number): void {
  if (grant.ended !== undefined) return;
  grant.ended = why;
  grant.endedAt = now;
}

function whyNot(grant: Grant | undefined): string {
  if (!grant) return 'it was never granted';
  return grant.overwritten ?? grant.ended ?? (grant.isCut ? 'its region was invalidated' : 'it has lapsed');
}
