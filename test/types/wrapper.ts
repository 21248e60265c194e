/** `cacheOnArguments` as a wrapper: what it keeps of a function, what it adds, and what annotated options are checked against. */
import type { CachedFunction, makeRegion } from 'dogpile-cache';
import { type Equal, yes } from './support.js';

interface User {
  readonly id: number;
  readonly name: string;
}
declare const region: ReturnType<typeof makeRegion>;
declare function findUser(id: number): Promise<User>;

// ------------------------------------------------------------------------------------------- parameters and results

const loadUser = region.cacheOnArguments()(async function loadUser(id: number, fields?: readonly string[]) {
  return { ...(await findUser(id)), fields };
});
type LoadUser = typeof loadUser;
yes<Equal<Parameters<LoadUser>, [id: number, fields?: readonly string[] | undefined]>>();
yes<Equal<Parameters<LoadUser['get']>, [id: number, fields?: readonly string[] | undefined]>>();
yes<Equal<ReturnType<LoadUser['keyFor']>, string>>();
yes<Equal<ReturnType<LoadUser['invalidate']>, Promise<void>>>();

// @ts-expect-error text is no id
loadUser('5');
// @ts-expect-error an id is needed
loadUser.invalidate();
// @ts-expect-error one argument too many
loadUser.keyFor(1, [], true);

const cached = region.cacheOnArguments()(findUser);
yes<Equal<ReturnType<typeof cached>, Promise<User>>>();
yes<Equal<ReturnType<typeof cached.get>, Promise<User | undefined>>>();
yes<Equal<ReturnType<typeof cached.refresh>, Promise<User>>>();
yes<Equal<Parameters<typeof cached.set>, [value: User, id: number]>>();
yes<Equal<typeof cached.original, typeof findUser>>();
yes<Equal<typeof cached, CachedFunction<typeof findUser>>>();

const { signal } = new AbortController();
yes<Equal<ReturnType<ReturnType<typeof cached.with>>, Promise<User>>>();
cached.with({ signal, expirationTime: '1m', serveStale: false })(5);
// @ts-expect-error no such option
cached.with({ sginal: signal });

// A sync function becomes one that promises.
const twice = region.cacheOnArguments()(function twice(n: number) {
  return n * 2;
});
yes<Equal<ReturnType<typeof twice>, Promise<number>>>();
yes<Equal<ReturnType<typeof twice.get>, Promise<number | undefined>>>();

// `this` stays what it is.
const bound = region.cacheOnArguments({ key: (id: number) => [id] })(async function bound(this: User, id: number) {
  return this.id + id;
});
bound.call({ id: 1, name: '' }, 5);
// @ts-expect-error not without a user
bound(5);

// ------------------------------------------------------------------------------------------- overloads and generics

function parse(text: string): Promise<string>;
function parse(text: number): Promise<number>;
async function parse(text: string | number): Promise<string | number> {
  return text;
}
const parsed = region.cacheOnArguments()(parse);
yes<Equal<Awaited<ReturnType<typeof loadNumber>>, number>>();
function loadNumber() {
  return parsed(1);
}
function loadText() {
  return parsed('1');
}
yes<Equal<ReturnType<typeof loadText>, Promise<string>>>();

const same = region.cacheOnArguments()(async function same<T>(value: T): Promise<T> {
  return value;
});
function sameNumber() {
  return same<5>(5);
}
yes<Equal<ReturnType<typeof sameNumber>, Promise<5>>>();

// --------------------------------------------------------------------------------------------------------- callbacks

region.cacheOnArguments({
  key: (id: number, _signal: AbortSignal) => [id],
  // Annotated callbacks name the same arguments.
  tags: (id: number, _signal: AbortSignal) => [`user:${id}`],
  shouldCache: (user: User) => user.id > 0,
})(async (id: number, _signal: AbortSignal): Promise<User> => findUser(id));

// @ts-expect-error the key is made of text, the function takes a number
region.cacheOnArguments({ key: (id: string) => [id] })(findUser);
// @ts-expect-error and so with tags
region.cacheOnArguments({ tags: (id: string) => [id] })(findUser);
// @ts-expect-error shouldCache is asked about users
region.cacheOnArguments({ shouldCache: (value: number) => value > 0 })(findUser);
// @ts-expect-error a key is an array of values
region.cacheOnArguments({ key: (id: number) => `${id}` });
// @ts-expect-error no such option
region.cacheOnArguments({ namepsace: 'users' });
// @ts-expect-error no such duration
region.cacheOnArguments({ expirationTime: true });

// Without annotations nothing is checked, and nothing is lost.
const unchecked = region.cacheOnArguments({ key: (id) => [id], shouldCache: (user) => user !== null })(findUser);
yes<Equal<ReturnType<typeof unchecked>, Promise<User>>>();

// @ts-expect-error only functions are cached
region.cacheOnArguments()({ id: 5 });
