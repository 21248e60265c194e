/** What one backend object has of its file once it is open: made, and closed, in the order in which the parts need each other. */
import type { BackendHost } from '../../api.js';
import { durationOption } from '../../duration.js';
import type { FileArguments } from '../file-arguments.js';
import { Entries } from './entries.js';
import type { Environment } from './environment.js';
import { naming, type Opened, openShared } from './environments.js';
import { Generations } from './generations.js';
import { Leases } from './leases.js';
import { openLockFile } from './lock-file.js';
import { Ranges } from './ranges.js';
import { truePath } from './true-path.js';

export interface FileStore {
  readonly environment: Environment;
  readonly entries: Entries;
  readonly generations: Generations;
  /** Also where none is asked for: what is deleted or set voids those of others. */
  readonly leases: Leases;
  close(): Promise<void>;
}

const DEFAULT_MODE = 0o666;
const DEFAULT_READERS = 1024;

export async function openStore(args: FileArguments, host: () => BackendHost): Promise<FileStore> {
  const { filename, sync = false, mode = DEFAULT_MODE, maxReaders = DEFAULT_READERS } = args;
  const path = await naming(filename, async () => truePath(filename));
  const opened = await openShared({ path, sync, mode, maxReaders });
  const { environment } = opened;
  const entries = new Entries(environment.db, args.maxSize ?? Number.POSITIVE_INFINITY, host().clock);
  const generations = new Generations(environment.db);
  environment.reclaim = (bytes) => entries.reclaim(bytes);
  const isLocking = args.distributedLock ?? true;
  // A lock of the user's is its own sign of life.
  const ranges = isLocking && !args.mutex ? await openRanges(opened, mode) : undefined;
  const settings = {
    timeout: durationOption(args.lockTimeout ?? '10s', 'lockTimeout'),
    maxHold: durationOption(args.lockMaxHold ?? '5m', 'lockMaxHold'),
    sleep: durationOption(args.lockSleep ?? '10ms', 'lockSleep'),
  };
  const leases = new Leases({ environment, entries, generations, ranges, settings, host });
  const close = async () => {
    try {
      leases.close();
    } finally {
      ranges?.close();
      await opened.close();
    }
  };
  return { environment, entries, generations, leases, close };
}

async function openRanges({ locks, environment, close }: Opened, mode: number): Promise<Ranges | undefined> {
  try {
    return locks && new Ranges(openLockFile(`${environment.path}-leases`, mode), locks);
  } catch (error) {
    await close();
    return environment.naming(() => {
      throw error;
    });
  }
}
