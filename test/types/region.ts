/** Regions: values, creators that name their context, and the arguments of backends. */
import {
  type ArgumentsOf,
  type CachedValue,
  type CreationContext,
  type currentCreation,
  type FunctionKeyGenerator,
  type KeyMangler,
  lengthConditionalMangler,
  makeRegion,
  pythonFunctionKeyGenerator,
  sha256MangleKey,
} from 'dogpile-cache';
import { type Equal, yes } from './support.js';

interface User {
  readonly id: number;
}

// ------------------------------------------------------------------------------------------------------------ values

const anything = makeRegion();
const users = makeRegion<User>();
const unknown = anything.get('k');
yes<Equal<typeof unknown, Promise<unknown>>>();
const text = anything.get<string>('k');
yes<Equal<typeof text, Promise<string | undefined>>>();
const user = users.get('k');
yes<Equal<typeof user, Promise<User | undefined>>>();
const entry = users.getCachedValue('k');
yes<Equal<typeof entry, Promise<CachedValue<User> | undefined>>>();
users.set('k', { id: 5 });
// @ts-expect-error the region keeps users
users.set('k', 'user');
// @ts-expect-error the region keeps users
users.getOrCreate('k', () => 5);

// ---------------------------------------------------------------------------------------------------------- creators

const created = anything.getOrCreate('k', async ({ signal, key }) => ({ id: signal.aborted ? 0 : key.length }));
yes<Equal<typeof created, Promise<{ id: number }>>>();
const again = anything.getOrCreate<User>('k', ({ stale }) => stale?.payload ?? { id: 0 });
yes<Equal<typeof again, Promise<User>>>();
anything.getOrCreate('k', () => 5, { shouldCache: (value) => value > 0 });
// @ts-expect-error shouldCache is asked about the value that the creator gives
anything.getOrCreate('k', () => 5, { shouldCache: (value: string) => value !== '' });

const array = anything.getOrCreateMulti(['a'], (keys, { signal }) =>
  keys.map((key) => (signal.aborted ? 0 : key.length)),
);
yes<Equal<typeof array, Promise<number[]>>>();
const map = anything.getOrCreateMulti(['a'], (keys) => new Map(keys.map((key) => [key, key.length])));
yes<Equal<typeof map, Promise<(number | undefined)[]>>>();

yes<Equal<ReturnType<typeof currentCreation>, CreationContext | undefined>>();

// ---------------------------------------------------------------------------------------------------------- backends

yes<Equal<ArgumentsOf<'memory'>['maxEntries'], number | undefined>>();
yes<Equal<ArgumentsOf<'@acme/unheard-of'>, Readonly<Record<string, unknown>>>>();
makeRegion().configure('memory', { expirationTime: '5m', arguments: { maxEntries: 10 } });
// @ts-expect-error no such argument
makeRegion().configure('memory', { arguments: { maxEntires: 10 } });
// @ts-expect-error no such type of argument
makeRegion().configure('memory', { arguments: { maxEntries: '10' } });
// @ts-expect-error a file needs its name
makeRegion().configure('file', { arguments: {} });
makeRegion().configure('file', { arguments: { filename: './cache' } });
makeRegion().configure('@acme/unheard-of', { arguments: { whatever: true } });
// @ts-expect-error no such option
makeRegion().configure('memory', { expiration: '5m' });

// ---------------------------------------------------------------------------------------------------------- policies

const policy: { expirationTime?: string | undefined } = {};
makeRegion().configure('memory', policy);

// -------------------------------------------------------------------------------------------------------------- keys

const generator: FunctionKeyGenerator = pythonFunctionKeyGenerator({ module: 'app.users', name: ({ name }) => name });
const keyMangler: KeyMangler = lengthConditionalMangler(200, sha256MangleKey);
makeRegion({ functionKeyGenerator: generator, keyMangler });
// @ts-expect-error a module is needed
pythonFunctionKeyGenerator({ name: 'load_user' });
