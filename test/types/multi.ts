/** `cacheMultiOnArguments` as a wrapper. */
import type { CachedMultiFunction, CachedMultiMapFunction, makeRegion } from 'dogpile-cache';
import { type Equal, yes } from './support.js';

interface User {
  readonly id: number;
}
declare const region: ReturnType<typeof makeRegion>;

const loadUsers = region.cacheMultiOnArguments()(async function loadUsers(ids: number[]): Promise<User[]> {
  return ids.map((id) => ({ id }));
});
yes<Equal<typeof loadUsers, CachedMultiFunction<number, User>>>();
loadUsers([1, 2] as const);
loadUsers.set(new Map([[1, { id: 1 }]]));
const one = loadUsers.load(1);
yes<Equal<typeof one, Promise<User>>>();
const got = loadUsers.get([1]);
yes<Equal<typeof got, Promise<(User | undefined)[]>>>();
// @ts-expect-error ids are numbers
loadUsers(['1']);
// @ts-expect-error values are users, by id
loadUsers.set(new Map([[1, 'user']]));
// @ts-expect-error ids come as an array
loadUsers(1, 2);

const findUsers = region.cacheMultiOnArguments({ asMap: true })(async function findUsers(ids: string[]) {
  return new Map(ids.map((id) => [id, { id: Number(id) } as User]));
});
yes<Equal<typeof findUsers, CachedMultiMapFunction<string, User>>>();
const found = findUsers(['1']);
yes<Equal<typeof found, Promise<Map<string, User>>>>();
const maybe = findUsers.load('1');
yes<Equal<typeof maybe, Promise<User | undefined>>>();

// @ts-expect-error an array needs no asMap
region.cacheMultiOnArguments({ asMap: true })(async (ids: number[]) => ids);
// @ts-expect-error a Map needs asMap
region.cacheMultiOnArguments()(async (ids: number[]) => new Map(ids.map((id) => [id, id])));

region.cacheMultiOnArguments({ key: (id: number) => [id], tags: (id: number) => [`user:${id}`] })(
  async (ids: number[]) => ids,
);
// @ts-expect-error the key is made of text, the ids are numbers
region.cacheMultiOnArguments({ key: (id: string) => [id] })(async (ids: number[]) => ids);
// @ts-expect-error shouldCache is asked about other values
region.cacheMultiOnArguments({ shouldCache: (value: string) => value !== '' })(async (ids: number[]) => ids);
