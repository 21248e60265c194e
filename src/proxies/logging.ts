/** Says what goes through: one line a verb, with its key, what came of it and how long it took. */
import type { Awaitable, ReadOptions, Storable, StoreOptions } from '../api.js';
import { warn } from '../lock/trouble.js';
import { isPromiseLike } from '../promises.js';
import { ProxyBackend } from '../proxy.js';
import { messageOf } from '../shown.js';
import { checkMembers } from '../validation.js';

/** `console`, pino, winston: anything with `debug`. */
export interface DebugLogger {
  debug(message: string): void;
}

/** Keys are cut to this many characters. */
const LONGEST = 200;

/** `wrap: [new LoggingProxy(console)]`. */
export class LoggingProxy extends ProxyBackend {
  readonly #logger: DebugLogger;

  constructor(logger: DebugLogger = console) {
    super();
    this.#logger = checkMembers('The logger', logger, ['debug']);
  }

  override get(key: string, options?: ReadOptions): Awaitable<Storable | undefined> {
    return this.#timed(
      'get',
      key,
      () => super.get(key, options),
      (stored) => (stored === undefined ? 'miss' : 'hit'),
    );
  }
  override set(key: string, stored: Storable, options?: StoreOptions): Awaitable<boolean | void> {
    const verb = options?.lease ? 'commit' : 'set';
    return this.#timed(
      verb,
      key,
      () => super.set(key, stored, options),
      (written) => (written === false ? 'refused' : 'stored'),
    );
  }
  override delete(key: string): Awaitable<void> {
    return this.#timed(
      'delete',
      key,
      () => super.delete(key),
      () => 'done',
    );
  }

  #timed<T>(verb: string, key: string, run: () => Awaitable<T>, say: (answer: T) => string): Awaitable<T> {
    const start = performance.now();
    const name = JSON.stringify(key.length > LONGEST ? `${key.slice(0, LONGEST)}…` : key);
    const log = (outcome: string) =>
      this.#log(`dogpile-cache ${verb} ${name}: ${outcome} in ${(performance.now() - start).toFixed(2)} ms`);
    const failed = (error: unknown): never => {
      log(`failed (${messageOf(error)})`);
      throw error;
    };
    const succeeded = (answer: T): T => {
      log(say(answer));
      return answer;
    };
    let answer: Awaitable<T>;
    try {
      answer = run();
    } catch (error) {
      return failed(error);
    }
    return isPromiseLike(answer) ? answer.then(succeeded, failed) : succeeded(answer);
  }

  /** What the logger throws is no failure of what it tells of. */
  #log(line: string): void {
    try {
      this.#logger.debug(line);
    } catch (error) {
      warn('The logger of LoggingProxy threw', error);
    }
  }
}
