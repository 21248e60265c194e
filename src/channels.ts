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

/** What is asked of a channel here: no type of Node's stands in the declarations. */
export interface Publisher {
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}
export interface TracingPublisher {
  readonly hasSubscribers: boolean;
  readonly start: Publisher;
  readonly asyncEnd: Publisher;
  readonly error: Publisher;
  subscribe(listeners: object): void;
  unsubscribe(listeners: object): void;
}
const plain = (name: string): Publisher => channel(name);

/** The plain channels; publish behind `hasSubscribers`, so that no message is built for nobody. */
export const channels = {
  hit: plain('dogpile.cache:hit'),
  miss: plain('dogpile.cache:miss'),
  stale: plain('dogpile.cache:stale'),
  wait: plain('dogpile.cache:wait'),
  refuse: plain('dogpile.cache:refuse'),
  invalidate: plain('dogpile.cache:invalidate'),
  delete: plain('dogpile.cache:delete'),
  backendError: plain('dogpile.cache:backend-error'),
  breaker: plain('dogpile.cache:breaker'),
} as const;

/** `start` when a creator is called, `asyncEnd` or `error` when it has settled. */
export const creations: TracingPublisher = tracingChannel<unknown, ChannelMessages['dogpile.cache:create']>(
  'dogpile.cache:create',
);
