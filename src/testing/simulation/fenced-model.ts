/** The store of the protocol as a simulation has it: `FencedStore`, its client, and what its requests mean. */
import type { CacheBackend } from '../../api.js';
import type { Chance } from './chance.js';
import { FencedBackend, type FencedBackendOptions } from './fenced-backend.js';
import { FencedStore, type StoreReply, type StoreRequest } from './fenced-store.js';
import type { Meaning, RecordsKnown, StoreModel, Won } from './model.js';
import type { Link } from './network.js';

export interface FencedModelOptions extends FencedBackendOptions {
  /** A store of your own: a broken one, to see that it is found out. */
  readonly store?: FencedStore | undefined;
  readonly connect?:
    | ((link: Link<StoreRequest, StoreReply>, options: FencedBackendOptions) => CacheBackend)
    | undefined;
}

export class FencedModel implements StoreModel<StoreRequest, StoreReply> {
  readonly wire = { isOrdered: false, rejects: true };
  readonly store: FencedStore;
  readonly #options: FencedModelOptions;

  constructor(options: FencedModelOptions) {
    this.#options = options;
    this.store = options.store ?? new FencedStore();
  }

  set publish(publish: (key: string) => void) {
    this.store.publish = publish;
  }

  handle(request: StoreRequest, now: number): StoreReply {
    return this.store.handle(request, now);
  }

  connect(link: Link<StoreRequest, StoreReply>): CacheBackend {
    return this.#options.connect?.(link, this.#options) ?? new FencedBackend(link, this.#options);
  }

  meaningOf(request: StoreRequest, { won, refused }: StoreReply): readonly Meaning[] {
    switch (request.verb) {
      case 'acquire': {
        const { ms, records, tokens } = request;
        const region = records?.region;
        return [...(won ?? [])].map((key) => ({ kind: 'granted', key, token: tokens.get(key) ?? '', ms, region }));
      }
      case 'renew':
        return won?.has(request.key)
          ? [{ kind: 'renewed', key: request.key, token: request.token, ms: request.ms }]
          : [];
      case 'release':
        return [{ kind: 'released', key: request.key, token: request.token }];
      case 'write':
        return [...request.entries].flatMap(([key, { token, ...entry }]): Meaning[] => {
          const written = { key, region: request.fence?.region, ...entry };
          if (token === undefined) return refused?.has(key) ? [] : [{ kind: 'said', ...written }];
          if (!refused?.has(key)) return [{ kind: 'committed', token, ...written }];
          return [{ kind: 'refused', key, token, fenced: request.fence !== undefined }];
        });
      case 'delete':
        return request.keys.map((key) => ({ kind: 'removed', key }));
      case 'invalidate':
        return [{ kind: 'invalidated', region: request.region, tags: request.tags, hard: request.hard }];
      default:
        return [];
    }
  }

  leasesAsked(request: StoreRequest): ReadonlyMap<string, string> | undefined {
    return request.verb === 'acquire' ? request.tokens : undefined;
  }

  leasesWon(request: StoreRequest, { won }: StoreReply): ReadonlyMap<string, Won> {
    if (request.verb !== 'acquire') return new Map();
    return new Map([...(won ?? [])].map((key) => [key, { token: request.tokens.get(key) ?? '' }]));
  }

  leasesReleased(request: StoreRequest): readonly string[] {
    return request.verb === 'release' ? [request.token] : [];
  }

  /** Leases are waited for in one call, and renewed and given back whatever the breaker says. */
  isGuarded({ verb }: StoreRequest): boolean {
    return verb !== 'acquire' && verb !== 'renew' && verb !== 'release';
  }

  isRepeated(): boolean {
    return false;
  }

  recordsOf(region: string): RecordsKnown {
    return { region: this.store.records.get(region), tagOf: (name) => this.store.tagOf(region, name) };
  }

  evict(chance: Chance): readonly Meaning[] {
    const { entries, locks, records, tags } = this.store;
    const what = chance.weighted({ entry: 5, lease: 2, record: 1, tag: 3 });
    const from: Map<string, unknown> = { entry: entries, lease: locks, record: records, tag: tags }[what];
    if (from.size === 0) return [];
    const name = chance.pick([...from.keys()]);
    from.delete(name);
    if (what === 'entry') return [{ kind: 'evicted entry', key: name }];
    if (what === 'lease') return [{ kind: 'evicted lease', key: name }];
    const [region = '', ...tag] = name.split('\n');
    return [{ kind: 'invalidated', region, tags: what === 'tag' ? tag : undefined, hard: true, lost: true }];
  }

  describe(request: StoreRequest, reply?: StoreReply): string {
    return reply === undefined ? said(request) : `${said(request)} → ${answered(request, reply)}`;
  }
}

const short = (token: string | undefined) => (token === undefined ? '' : `#${token.slice(0, 4)}`);

function said(request: StoreRequest): string {
  switch (request.verb) {
    case 'acquire':
      return `acquire ${[...request.tokens].map(([key, token]) => `${key}${short(token)}`).join(' ')}`;
    case 'write':
      return `write ${[...request.entries].map(([key, { token, bytes }]) => `${key}${short(token)} ${Buffer.from(bytes).toString()}`).join(' ')}`;
    case 'get':
    case 'delete':
      return `${request.verb} ${request.keys.join(' ')}`;
    case 'renew':
    case 'release':
      return `${request.verb} ${request.key}${short(request.token)}`;
    case 'locked':
      return `locked ${request.key}`;
    case 'invalidate':
      return `invalidate ${request.hard ? 'hard' : 'soft'} ${request.tags?.join(' ') ?? ''}`;
    case 'records':
      return 'records';
  }
}

function answered(request: StoreRequest, { stored, won, refused }: StoreReply): string {
  const parts: string[] = [];
  if (won) parts.push(won.size > 0 ? `won ${[...won].join(' ')}` : 'held');
  if (stored)
    parts.push(
      [...stored].map(([key, bytes]) => `${key}: ${bytes ? Buffer.from(bytes).toString() : 'nothing'}`).join(', '),
    );
  if (request.verb === 'write') parts.push(refused?.size ? `refused ${[...refused].join(' ')}` : 'stored');
  return parts.join('; ') || 'done';
}
