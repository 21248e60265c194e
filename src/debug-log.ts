/**
 * The debug lines that Python's dogpile.cache logs, told from the channels: for whoever reads both services' logs. Subscribes, and
 * decides nothing.
 */
import diagnostics from 'node:diagnostics_channel';
import { type CacheMessage, type ChannelMessages, creations } from './channels.js';
import { warn } from './lock/trouble.js';
import type { DebugLogger } from './proxies/logging.js';
import type { CacheRegion } from './region/region.js';
import { checkMembers } from './validation.js';

/** Keys are cut to this many characters, half from either end, as in Python. */
const LONGEST = 300;

const MISSES: Readonly<Record<string, string>> = {
  absent: 'No value present for key',
  'other-version': 'Dogpile version update for key',
  'hard-invalidated': 'Hard invalidation detected for key',
};

type Creation = ChannelMessages['dogpile.cache:create'];

/**
 * Logs what regions decide at debug level, in Python's words: of one region, or of all. The answer stops it.
 * `const stop = debugLog(console)`
 */
// biome-ignore lint/suspicious/noExplicitAny: a region of any value type
export function debugLog(logger: DebugLogger, region?: CacheRegion<any>): () => void {
  checkMembers('The logger', logger, ['debug']);
  const isMeant = (message: CacheMessage) => region === undefined || message.region === region;
  // What the logger throws would come up as an uncaught exception: subscribers have no caller.
  const log = (line: string) => {
    try {
      logger.debug(line);
    } catch (error) {
      warn('The logger of debugLog() threw', error);
    }
  };
  const started = new WeakMap<object, number>();
  const missed = (message: unknown) => {
    const { key, reason, ...rest } = message as ChannelMessages['dogpile.cache:miss'];
    const line = MISSES[reason];
    if (line && isMeant({ key, ...rest })) log(`${line}: ${shownKey(key)}`);
  };
  const creating = {
    start: (message: Creation) => void started.set(message, performance.now()),
    asyncEnd: (message: Creation) => {
      const begin = started.get(message);
      if (begin === undefined || !isMeant(message)) return;
      const seconds = ((performance.now() - begin) / 1000).toFixed(3);
      log(`Cache value generated in ${seconds} seconds for key(s): ${shownKey(message.key)}`);
    },
    end: () => {},
    asyncStart: () => {},
    error: () => {},
  };
  diagnostics.subscribe('dogpile.cache:miss', missed);
  creations.subscribe(creating);
  return () => {
    diagnostics.unsubscribe('dogpile.cache:miss', missed);
    creations.unsubscribe(creating);
  };
}

function shownKey(key: string): string {
  const text = JSON.stringify(key);
  const left = text.length - LONGEST;
  if (left <= 0) return text;
  return `${text.slice(0, LONGEST / 2)} ... (${left} characters truncated) ... ${text.slice(-LONGEST / 2)}`;
}
