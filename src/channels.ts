/**
 * What regions tell the outside, on `node:diagnostics_channel`: names, messages, and publishing that costs nothing while
 * nobody listens. Decides nothing.
 */
import { channel, tracingChannel } from 'node:diagnostics_channel';
import type { CacheRegion } from './region/region.js';

export interface CacheMessage {
  // biome-ignore lint/suspicious/noExplicitAny: regions of any value type
  readonly region: CacheRegion<any>;
  /** The caller's, unmangled. */
  readonly key: string;
}

/** Channels and their messages. Ages in milliseconds. */
export interface ChannelMessages {
  'dogpile.cache:hit': CacheMessage & { readonly age: number };
  'dogpile.cache:miss': CacheMessage & { readonly reason: string };
  'dogpile.cache:stale': CacheMessage & { readonly age: number; readonly reason: string };
  'dogpile.cache:wait': CacheMessage & { readonly where: 'here' | 'elsewhere' };
  /** The context object of the tracing channel `dogpile.cache:create` (`start`, `asyncEnd`, `error`). */
  'dogpile.cache:create': CacheMessage & { readonly background: boolean; result?: unknown; error?: unknown };
  'dogpile.cache:refuse': CacheMessage & { readonly reason: string };
  'dogpile.cache:invalidate': Omit<CacheMessage, 'key'> & { readonly hard: boolean; readonly tags?: readonly string[] };
  'dogpile.cache:delete': CacheMessage;
  'dogpile.cache:backend-error': Omit<CacheMessage, 'key'> & {
    readonly key?: string;
    readonly verb: string;
    readonly error: unknown;
  };
  'dogpile.cache:breaker': Omit<CacheMessage, 'key'> & { readonly state: 'open' | 'half-open' | 'closed' };
}

/** The plain channels; publish behind `hasSubscribers`, so that no message is built for nobody. */
export const channels = {
  hit: channel('dogpile.cache:hit'),
  miss: channel('dogpile.cache:miss'),
  stale: channel('dogpile.cache:stale'),
  wait: channel('dogpile.cache:wait'),
  refuse: channel('dogpile.cache:refuse'),
  invalidate: channel('dogpile.cache:invalidate'),
  delete: channel('dogpile.cache:delete'),
  backendError: channel('dogpile.cache:backend-error'),
  breaker: channel('dogpile.cache:breaker'),
} as const;

/** `start` when a creator is called, `asyncEnd` or `error` when it has settled. */
export const creations = tracingChannel<unknown, ChannelMessages['dogpile.cache:create']>('dogpile.cache:create');
