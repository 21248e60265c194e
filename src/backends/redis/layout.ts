/** How keys are laid out over servers: which go together in one command, and what their locks are called. */
import { clusterLockName, slotOf } from './slots.js';

export interface Layout {
  /** Over the nodes of a cluster. */
  readonly isSpread: boolean;
  lockOf(key: string): string;
  /** What may go in one command each. */
  groups<T>(items: readonly T[], keyOf: (item: T) => string): T[][];
}

/** More than this go in several commands, so that none holds up the server. */
const MOST = 1000;

export function serverLayout(lockPrefix: string): Layout {
  return { isSpread: false, lockOf: (key) => lockPrefix + key, groups: chunksOf };
}

/** What goes together is in one slot, with its lock. */
export function clusterLayout(lockPrefix: string): Layout {
  return {
    isSpread: true,
    lockOf: (key) => clusterLockName(lockPrefix, key),
    groups: (items, keyOf) => {
      const bySlot = new Map<number, (typeof items)[number][]>();
      for (const item of items) {
        const slot = slotOf(keyOf(item));
        const group = bySlot.get(slot);
        if (group) group.push(item);
        else bySlot.set(slot, [item]);
      }
      return [...bySlot.values()].flatMap(chunksOf);
    },
  };
}

function chunksOf<T>(items: readonly T[]): T[][] {
  const chunks: T[][] = [];
  for (let at = 0; at < items.length; at += MOST) chunks.push(items.slice(at, at + MOST));
  return chunks;
}
