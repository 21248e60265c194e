/**
 * What the client packages' backend does not promise, each as narrow as it is: the account says where one is taken, and a test runs
 * without it to see that it is needed. Everything else holds as over any store.
 */
export const EXCUSES = {
  /**
   * A lease that was read to be there may have ended by the time of the write, which memcached can't make one step of where nothing was
   * stored, nor packages without CAS where something was. Bound: it is taken back by the calls that follow, five at most.
   */
  endedBeforeWrite: 'a commit under a lease that ended after it was read',
  /** Who is to take something back is killed at that very moment: then it stays until it expires. */
  creatorKilled: 'a creator that dies when it is to take something back',
  /** The same of one that is paused, or cut off from the store, just then: it looks once for what to take back, and no more. */
  creatorCutOff: 'a creator that is cut off from the store when it is to take something back',
  /**
   * A write that ran into its deadline may be carried out after the look at what there is to be taken back, and stay until it expires.
   * Only one whose connection was given up by then.
   */
  lateWrite: 'a commit that is carried out when nobody waits for it any more',
  /** Without CAS a lock is read, and what is there next is removed: only where a lock of ours was read, and ended since. */
  otherLockRemoved: 'a lock that another has won since it was read is removed',
  /** The same of a renewal. */
  otherLockRenewed: 'a lock that another has won since it was read is given a new end',
  /** The same of a value that is taken back: the key is missing, never stale. */
  otherValueRemoved: 'a value that was stored since another was read is removed',
  /** A package that tells no CAS number tells one lock of Python's from the next by nothing. Bound: seen at both ends of `lockMaxHold`. */
  lockKnownByText: "locks of Python's that are taken for one",
} as const;

export type Excuse = keyof typeof EXCUSES;
