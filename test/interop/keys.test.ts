/** Keys: Python's own generators and manglers write what ours write, for functions and methods of any arguments that have a common text. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  lengthConditionalMangler,
  pythonFunctionKeyGenerator,
  pythonFunctionMultiKeyGenerator,
  sha1MangleKey,
} from '../../src/keys.js';
import { killAll, type Participant, startPython } from './support/participant.js';

const MODULE = 'app.users';

let python: Participant;
beforeAll(async () => {
  python = await startPython({ backend: 'dogpile.cache.memory', arguments: {}, module: MODULE, serializer: 'pickle' });
  await python.run(`
def find(*what): pass
def load_user(id, detail="all", active=None): pass
class Users:
    def load(self, id, detail): pass
    @classmethod
    def of(cls, team): pass
    def every(this, id): pass
`);
});
afterAll(killAll);

/** As a Python program would write it. */
function literal(argument: unknown): string {
  if (argument === null) return 'None';
  if (argument === true) return 'True';
  if (argument === false) return 'False';
  // JSON's texts are Python's, but for what no key can have: lone surrogates.
  return typeof argument === 'string' ? JSON.stringify(argument) : String(argument);
}

const tuple = (list: readonly unknown[]) => `(${list.map((one) => `${literal(one)},`).join('')})`;

const argument = fc.oneof(
  fc.constantFrom(null, true, false, '', ' ', 'a b', '|', 'ns', '\0\n', 'None', '1'),
  fc.maxSafeInteger(),
  fc.bigInt({ max: 2n ** 200n, min: -(2n ** 200n) }),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
);
const namespace = fc.option(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant('')), { nil: undefined });

it('function_key_generator, function_multi_key_generator', async () => {
  const single = pythonFunctionKeyGenerator({ module: MODULE, name: 'find' });
  const multi = pythonFunctionMultiKeyGenerator({ module: MODULE, name: 'find' });
  await fc.assert(
    fc.asyncProperty(fc.array(argument), namespace, async (list, ns) => {
      const of = `(${literal(ns ?? null)}, find)(*${list.length > 0 ? tuple(list) : '()'})`;
      const theirs = await python.run(`[function_key_generator${of}, function_multi_key_generator${of}]`);
      expect([single(ns, () => {})(...list), multi(ns, () => {})(...list)]).toEqual(theirs);
    }),
    { numRuns: 200 },
  );
});

it('a method has the key of its arguments, without self or cls; nor is the name of its class in it', async () => {
  const load = pythonFunctionKeyGenerator({ module: MODULE, name: 'load' });
  const of = pythonFunctionKeyGenerator({ module: MODULE, name: 'of' });
  expect(await python.run('function_key_generator("ns", Users.load)(Users(), 5, "all")')).toBe(
    load('ns', () => {})(5, 'all'),
  );
  expect(await python.run('function_key_generator(None, Users.of.__func__)(Users, "blue")')).toBe(
    of(undefined, () => {})('blue'),
  );
  // Of any other first name it is an argument as others are, and has no text in common.
  expect(await python.run('function_key_generator(None, Users.every)(Users(), 5)')).toContain('Users object at 0x');
});

it('a decorated function over there is called with its defaults filled in; its verbs are not', async () => {
  const ours = pythonFunctionKeyGenerator({ module: MODULE, name: 'load_user' })(undefined, () => {});
  await python.run('cached = region.cache_on_arguments()(load_user)\ncached(5)\ncached(5, active=True)');
  const stored = 'sorted(region.backend._cache)';
  expect(await python.run(stored)).toEqual([ours(5, 'all', null), ours(5, 'all', true)]);
  await python.run('cached.set("user", 5)');
  expect(await python.run(stored)).toContain(ours(5));
});

it('sha1_mangle_key, length_conditional_mangler: by code points', async () => {
  const ours = lengthConditionalMangler(10, sha1MangleKey);
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary', maxLength: 15 }).filter((key) => key.isWellFormed()),
      async (key) => {
        const theirs = await python.run(
          '[sha1_mangle_key(key.encode()), sha1_mangle_key(key), length_conditional_mangler(10, sha1_mangle_key)(key)]',
          { key },
        );
        expect([sha1MangleKey(key), sha1MangleKey(key), ours(key)]).toEqual(theirs);
      },
    ),
    { numRuns: 100 },
  );
  for (const key of ['😀'.repeat(9), '😀'.repeat(10)])
    expect(await python.run('length_conditional_mangler(10, sha1_mangle_key)(key)', { key })).toBe(ours(key));
});
