import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { KeyGenerationError, ValidationError } from '../../src/errors.js';
import { asCached, asCachedMulti } from '../../src/region/as-cached.js';
import { makeRegion } from '../../src/region/region.js';

const setUp = () => makeRegion().configure('memory');

describe('TC39 method decorators', () => {
  const make = () => {
    const region = setUp();
    class Reports {
      calls = 0;

      @region.cacheOnArguments()
      async load(year: number) {
        this.calls++;
        return `${year}`;
      }

      @region.cacheOnArguments()
      async #secret(year: number) {
        this.calls++;
        return year + 1;
      }

      @region.cacheOnArguments()
      static async total(year: number) {
        // biome-ignore lint/complexity/noThisInStatic: the class that it is called on
        return `${this.name} ${year}`;
      }

      @region.cacheMultiOnArguments()
      async many(years: number[]) {
        this.calls++;
        return years.map((year) => year * 2);
      }

      secret(year: number) {
        return this.#secret(year);
      }
      forgetSecret(year: number) {
        return asCached(this.#secret, this).invalidate(year);
      }
    }
    return { region, Reports };
  };

  it('cache public, private and static methods, with `this`', async () => {
    const { Reports, region } = make();
    const reports = new Reports();
    expect([await reports.load(1), await reports.load(1), reports.calls]).toEqual(['1', '1', 1]);
    expect([await reports.secret(1), await reports.secret(1), reports.calls]).toEqual([2, 2, 2]);
    expect(await Reports.total(1)).toBe('Reports 1');
    expect(await region.get('load|1')).toBe('1');
    expect(await region.get('#secret|1')).toBe(2);
    expect(Reports.prototype.load.name).toBe('load');
    expect(Reports.prototype.load.length).toBe(1);
  });

  it('asCached gives the verbs: of the method, bound, of a private one, by name', async () => {
    const { Reports } = make();
    const reports = new Reports();
    await reports.load(1);
    await asCached(reports.load).invalidate(1);
    await reports.load(1);
    expect(reports.calls).toBe(2);
    expect(await asCached(reports, 'load').refresh(1)).toBe('1');
    expect(reports.calls).toBe(3);
    expect(await asCached(reports.load, reports).refresh(1)).toBe('1');
    expect(await asCached(reports.load, reports)(7)).toBe('7');
    expect(await asCached(reports, 'load').with({ background: true })(8)).toBe('8');
    expect(reports.calls).toBe(6);
    expect(asCached(reports, 'load').keyFor(1)).toBe('load|1');
    await reports.secret(1);
    await reports.forgetSecret(1);
    await reports.secret(1);
    expect(reports.calls).toBe(8);
    expect(await asCached(Reports, 'total').get(1)).toBeUndefined();
    expect(await asCached(Reports.total, Reports).refresh(1)).toBe('Reports 1');
    expect(asCached(reports, 'load').original).toBe(asCached(reports.load).original);
    expect(asCached(asCached(reports, 'load'), reports).name).toBe('load');
  });

  it('multi methods have theirs by asCachedMulti', async () => {
    const { Reports } = make();
    const reports = new Reports();
    expect(await reports.many([1, 2])).toEqual([2, 4]);
    expect(await asCachedMulti(reports.many).get([1, 3])).toEqual([2, undefined]);
    const bound = asCachedMulti(reports.many, reports);
    expect(await bound([3])).toEqual([6]);
    expect(await Promise.all([bound.load(4), asCachedMulti(reports.many, reports).load(5)])).toEqual([8, 10]);
    expect(reports.calls).toBe(3);
  });

  it('two methods of one name need namespaces', () => {
    const region = setUp();
    const decorate = () => {
      class Reports {
        @region.cacheOnArguments()
        async load() {}
      }
      return Reports;
    };
    decorate();
    expect(decorate).toThrow(KeyGenerationError);
  });
});

describe('an inherited decorated method', () => {
  const make = (options: { key?: (this: object) => unknown[]; namespace?: string } = {}) => {
    const region = setUp();
    class Animal {
      @region.cacheOnArguments(options)
      async sound() {
        return this.constructor.name;
      }

      @region.cacheOnArguments(options)
      static async kind() {
        // biome-ignore lint/complexity/noThisInStatic: the class that it is called on
        return this.name;
      }

      @region.cacheMultiOnArguments()
      async sounds(times: number[]) {
        return times.map((time) => `${this.constructor.name} ${time}`);
      }
    }
    class Dog extends Animal {}
    class Cat extends Animal {}
    return { Animal, Dog, Cat };
  };

  it('is shared by the instances of one class', async () => {
    const { Dog } = make();
    expect([await new Dog().sound(), await new Dog().sound(), await Dog.kind()]).toEqual(['Dog', 'Dog', 'Dog']);
  });

  it('on instances of two classes is a KeyGenerationError that says what to do', async () => {
    for (const options of [{}, { namespace: 'n' }]) {
      const { Dog, Cat, Animal } = make(options);
      await new Dog().sound();
      await expect(new Cat().sound()).rejects.toThrow(KeyGenerationError);
      await expect(new Cat().sound()).rejects.toThrow(
        '"sound" is called on Dog and on Cat, and they would share its entries.',
      );
      await expect(new Animal().sound()).rejects.toThrow(KeyGenerationError);
      await expect(asCached(new Cat(), 'sound').invalidate()).rejects.toThrow(KeyGenerationError);
      await Dog.kind();
      await expect(Cat.kind()).rejects.toThrow('"kind" is called on Dog and on Cat');
      await new Dog().sounds([1]);
      await expect(new Cat().sounds([1])).rejects.toThrow(KeyGenerationError);
      expect(await new Dog().sound()).toBe('Dog');
    }
  });

  it('with `key` says for itself what is shared', async () => {
    const { Dog, Cat } = make({
      key() {
        return [this.constructor.name];
      },
    });
    expect([await new Dog().sound(), await new Cat().sound()]).toEqual(['Dog', 'Cat']);
    expect(asCached(new Cat(), 'sound').keyFor()).toBe('sound|"Cat"');
  });
});

describe('experimentalDecorators', () => {
  /** What tsc makes of this source in that mode, run. */
  const run = (source: string, scope: Record<string, unknown>) => {
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS, experimentalDecorators: true },
    });
    const exports: Record<string, unknown> = {};
    new Function('exports', ...Object.keys(scope), outputText)(exports, ...Object.values(scope));
    return exports;
  };

  it('cache methods and static methods, with verbs and `this`', async () => {
    const region = setUp();
    const { Reports } = run(
      `export class Reports {
        calls = 0;
        @region.cacheOnArguments() async load(year: number) { this.calls++; return year + 1; }
        @region.cacheOnArguments() static async total(year: number) { return this.name + year; }
        @region.cacheMultiOnArguments({ asMap: true }) async many(years: number[]) { this.calls++; return new Map(years.map((year) => [year, year * 2])); }
      }`,
      { region },
    ) as { Reports: { new (): ReportsLike; total(year: number): Promise<string> } };
    interface ReportsLike {
      calls: number;
      load(year: number): Promise<number>;
      many(years: number[]): Promise<Map<number, number>>;
    }
    const reports = new Reports();
    expect([await reports.load(1), await reports.load(1), reports.calls]).toEqual([2, 2, 1]);
    expect(await asCached(reports, 'load').get(1)).toBe(2);
    expect(await Reports.total(1)).toBe('Reports1');
    expect(await reports.many([1])).toEqual(new Map([[1, 2]]));
    expect(await asCachedMulti(reports.many).get([1, 2])).toEqual(new Map([[1, 2]]));
    class Other extends Reports {}
    await expect(new Other().load(1)).rejects.toThrow(KeyGenerationError);
  });

  it('goes on methods only', () => {
    const region = setUp();
    expect(() => run('export class A { @region.cacheOnArguments() field = 5 }', { region })).toThrow(ValidationError);
    expect(() => run('export class A { @region.cacheOnArguments() get field() { return 5 } }', { region })).toThrow(
      ValidationError,
    );
    expect(() => run('@region.cacheOnArguments() export class A {}', { region })).toThrow(ValidationError);
  });

  it.each(['cacheOnArguments', 'cacheMultiOnArguments'])('says to call %s first', (name) => {
    const region = setUp();
    for (const method of ['async load() {}', 'static async load() {}']) {
      const decorate = () => run(`export class A { @region.${name} ${method} }`, { region });
      expect(decorate).toThrow(ValidationError);
      expect(decorate).toThrow(`${name}() makes the decorator: say ${name}()(fn), or @region.${name}().`);
    }
  });
});

describe('metadata', () => {
  it('that a framework has left on the method is left on the cached one, too', async () => {
    const kept = new WeakMap<object, Map<unknown, unknown>>();
    const of = (target: object) => kept.get(target) ?? kept.set(target, new Map()).get(target);
    const added = {
      getOwnMetadataKeys: (target: object) => [...(of(target)?.keys() ?? [])],
      getOwnMetadata: (key: unknown, target: object) => of(target)?.get(key),
      defineMetadata: (key: unknown, value: unknown, target: object) => void of(target)?.set(key, value),
    };
    Object.assign(Reflect, added);
    try {
      const fn = async function routed() {};
      added.defineMetadata('path', '/users', fn);
      const cached = setUp().cacheOnArguments()(fn);
      expect(added.getOwnMetadata('path', cached)).toBe('/users');
    } finally {
      for (const name of Object.keys(added)) Reflect.deleteProperty(Reflect, name);
    }
  });
});

describe('asCached of what is no cached function', () => {
  const region = setUp();
  class Reports {
    @region.cacheOnArguments()
    async load(year: number) {
      return year;
    }
    @region.cacheMultiOnArguments()
    async many(years: number[]) {
      return years;
    }
    async plain() {}
  }
  const reports = new Reports();

  it('says how to come by one', () => {
    expect(() => asCached(reports.plain)).toThrow(ValidationError);
    expect(() => asCached(reports.plain)).toThrow('"plain" is no function that asCached() knows. Decorate it first');
    expect(() => asCached(reports.load.bind(reports))).toThrow(
      'bind() makes another function: say asCached(method, thisArg).',
    );
    expect(() => asCached(reports, 'plain')).toThrow(ValidationError);
    expect(() => asCached(reports, 'laod' as never)).toThrow('"laod" is none of this object\'s.');
    expect(() => asCached(undefined as never)).toThrow('asCached() takes a cached function or method, not undefined.');
    expect(() => asCached(undefined as never, 'load' as never)).toThrow(ValidationError);
    expect(() => asCached(reports.load, null as never)).toThrow('is the object to bind to, not null.');
    expect(() => asCached(reports.many as never)).toThrow('cacheMultiOnArguments() for many');
    expect(() => asCachedMulti(reports.load as never)).toThrow('"load" is no function that asCachedMulti() knows.');
    expect(() => asCachedMulti(reports.many, 5 as never)).toThrow(ValidationError);
  });
});
