/** What every model of a memcached has in common: a server whose replies mean something once, and which loses things. */
import type { Chance } from '../chance.js';
import type { Meaning, StoreModel, Stranger, StrangerSetting } from '../model.js';
import type { Link } from '../network.js';
import { Python } from '../python.js';
import { PythonClient } from './python.js';
import { type MetaReply, type MetaRequest, SimulatedMemcached } from './server.js';

export abstract class MemcachedStoreModel {
  /**
   * A connection keeps order, and one that is given up may still have something under way when the next one is open. Clients have
   * deadlines of their own.
   */
  readonly wire: StoreModel<MetaRequest, MetaReply>['wire'];
  /** Nobody is woken: who waits asks again. */
  publish = (): void => {};
  readonly server: SimulatedMemcached;
  /** What a reply has meant that was not told yet. */
  readonly #meanings = new WeakMap<MetaReply, readonly Meaning[]>();
  readonly #seen = new WeakSet<MetaReply>();

  constructor({ server = new SimulatedMemcached(), isBatched }: { server?: SimulatedMemcached; isBatched: boolean }) {
    this.server = server;
    this.wire = { isOrdered: true, isBatched, rejects: false, laneOf: ({ connection }) => connection };
  }

  /** What carrying a request out has meant; asked once for each reply. */
  protected abstract meaning(request: MetaRequest, reply: MetaReply): readonly Meaning[];
  /** The item is gone, by itself. */
  protected abstract lost(name: string): readonly Meaning[];

  handle(request: MetaRequest, now: number): MetaReply {
    const reply = this.server.handle(request, now);
    if (this.#seen.has(reply) || reply.isLost) return reply;
    this.#seen.add(reply);
    this.#meanings.set(reply, this.meaning(request, reply));
    return reply;
  }

  /** Once: a request that comes twice is answered as it was. */
  meaningOf(_request: MetaRequest, reply: MetaReply): readonly Meaning[] {
    const meanings = this.#meanings.get(reply) ?? [];
    this.#meanings.delete(reply);
    return meanings;
  }

  isGivenUp({ isGivenUp }: MetaRequest): boolean {
    return isGivenUp;
  }

  isRepeated({ isLost }: MetaReply): boolean {
    return isLost;
  }

  /** A verb is several commands, and those that follow are let through whatever the breaker has become. */
  isGuarded(): boolean {
    return false;
  }

  evict(chance: Chance): readonly Meaning[] {
    const names = [...this.server.items.keys()];
    if (chance.hits(0.15)) {
      this.server.restart();
      return names.flatMap((name) => this.lost(name));
    }
    const kind = chance.weighted({ entry: 5, _lock: 2, _region: 1, _tag: 3 });
    const ofKind = names.filter((name) => (kind === 'entry' ? !name.startsWith('_') : name.startsWith(kind)));
    if (ofKind.length === 0) return [];
    const name = chance.pick(ofKind);
    this.server.items.delete(name);
    return this.lost(name);
  }

  describe({ verb, keys, flags, value, connection }: MetaRequest, reply?: MetaReply): string {
    const text = [connection, verb, ...keys, ...flags, value ? `"${value}"` : ''].join(' ').trim();
    if (!reply) return text;
    if (reply.isLost) return `${text} → lost`;
    const replies = reply.replies.map((one) =>
      one
        ? [one.code, one.value && `"${one.value}"`, one.cas && `c${one.cas}`, one.isWon && 'W', one.isTaken && 'Z']
            .filter((part) => part !== undefined && part !== false)
            .join(' ')
        : '-',
    );
    return `${text} → ${replies.join(', ')}`;
  }
}

/** Python's dogpile.cache beside our processes. */
export function python(link: Link<MetaRequest, MetaReply>, setting: StrangerSetting): Stranger {
  return new Python(new PythonClient(link, setting), setting);
}

/** Programs that are not ours are called so. */
export function isStranger(owner: string): boolean {
  return owner.startsWith('stranger');
}

/** Where a connection has seen something. */
export function placeOf({ connection }: MetaRequest, name: string): string {
  return `${connection} ${name}`;
}

/** Of an entry, or of its lock. */
export function keyOf(name: string): string {
  return name.replace(/^_lock/, '');
}
