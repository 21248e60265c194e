/** A simulated Redis: which commands it takes, and which script an `EVAL` or `EVALSHA` means. */
import type { Word } from '../../../backends/redis/client.js';
import type { Script } from '../../../backends/redis/scripts.js';
import * as scripts from '../../../backends/redis/scripts.js';
import { EPOCH } from '../process.js';
import { type Answer, SimulatedScripts } from './scripts.js';

export type Command = readonly Word[];
/** As a client has it: strings are Buffers. */
export type Reply = { readonly value: Answer | string } | { readonly error: string };

/** redis-py's, which gives a lock back if it is still its own; by its digest alone. */
export const PYTHON_RELEASE = 'c3f8721cbb97f72bc19e972846bd7aaf91901658';

const SCRIPTS: readonly Script[] = Object.values(scripts);

/** A script that is called, with its keys and arguments. */
export interface Called {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly Word[];
}

/** What is called by `EVAL` and `EVALSHA`; `undefined`: it is another command, or none of our scripts. */
export function calledBy(command: Command): Called | undefined {
  const [verb, which, count, ...rest] = command;
  if (verb !== 'EVAL' && verb !== 'EVALSHA') return undefined;
  const script = SCRIPTS.find(({ text, sha }) => (verb === 'EVAL' ? text : sha) === which);
  if (!script) return undefined;
  return { script, keys: rest.slice(0, Number(count)).map(String), args: rest.slice(Number(count)) };
}

export class SimulatedRedis {
  readonly scripts: SimulatedScripts;
  /** Digests that it knows. Forgotten when it is restarted. */
  readonly known = new Set<string>();

  constructor(scripts = new SimulatedScripts()) {
    this.scripts = scripts;
  }

  handle(command: Command, now: number): Reply {
    const { keys } = this.scripts;
    keys.now = now;
    this.scripts.time = EPOCH + now;
    const [verb, key = '', value = '', ...options] = command;
    const name = String(key);
    switch (verb) {
      case 'EVAL':
      case 'EVALSHA':
        return this.#run(command);
      case 'MGET':
        return { value: command.slice(1).map((each) => keys.read(String(each)) ?? null) };
      case 'GET':
        return { value: keys.read(name) ?? null };
      case 'EXISTS':
        return { value: keys.has(name) ? 1 : 0 };
      case 'DEL':
        return { value: command.slice(1).filter((each) => keys.delete(String(each))).length };
      case 'SET': {
        if (options.includes('NX') && keys.has(name)) return { value: null };
        const px = options.indexOf('PX');
        keys.write(name, value, px < 0 ? undefined : Number(options[px + 1]));
        return { value: 'OK' };
      }
      default:
        return { error: `ERR unknown command '${String(verb)}'` };
    }
  }

  #run(command: Command): Reply {
    const [verb, sha, , key = '', token = ''] = command;
    if (sha === PYTHON_RELEASE) {
      const isIts = String(this.scripts.keys.read(String(key)) ?? '') === String(token);
      return { value: isIts && this.scripts.keys.delete(String(key)) ? 1 : 0 };
    }
    const called = calledBy(command);
    if (!called || (verb === 'EVALSHA' && !this.known.has(called.script.sha)))
      return { error: 'NOSCRIPT No matching script. Please use EVAL.' };
    this.known.add(called.script.sha);
    return { value: this.#meaning(called) };
  }

  #meaning({ script, keys, args }: Called): Answer {
    switch (script) {
      case scripts.ACQUIRE:
        return this.scripts.acquire(keys, args);
      case scripts.COMMIT:
        return this.scripts.commit(keys, args);
      case scripts.RENEW:
        return this.scripts.renew(keys, args);
      case scripts.RELEASE:
        return this.scripts.release(keys, args);
      case scripts.DELETE:
        return this.scripts.delete(keys, args);
      case scripts.VOID:
        return this.scripts.void(keys);
      case scripts.SET:
        return this.scripts.set(keys, args);
      case scripts.INVALIDATE:
        return this.scripts.invalidate(keys, args);
      case scripts.INVALIDATE_TAGS:
        return this.scripts.invalidateTags(keys, args);
      default:
        throw new Error(`The simulation does not know the script "${script.name}".`);
    }
  }
}
