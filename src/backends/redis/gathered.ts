/** Gathers what is asked one by one into one call for all: of the same tick, or of the same turn of the event loop. Decides only when. */

/** Taken now, so that a test runner's fake timers don't hold it up. */
const { setImmediate } = globalThis;

/** `tick`: once the caller's own code has run; `turn`: once the timers and messages that are due have been served, too. */
export type GatherUntil = 'tick' | 'turn';

export interface GatheredOptions<Item, Answer> {
  readonly until: GatherUntil;
  /** What may go in one call each. */
  readonly groups: (items: readonly Item[]) => readonly (readonly Item[])[];
  /** Answers in the items' order; what it rejects with, all of its items are told. */
  readonly call: (items: readonly Item[]) => Promise<readonly Answer[]>;
}

export function gathered<Item extends object, Answer>({
  until,
  groups,
  call,
}: GatheredOptions<Item, Answer>): (item: Item) => Promise<Answer> {
  let waiting = new Map<Item, Waiting<Answer>>();
  const flush = () => {
    const taken = waiting;
    waiting = new Map();
    for (const group of groups([...taken.keys()])) {
      call(group).then(
        (answers) => {
          for (const [at, item] of group.entries()) taken.get(item)?.resolve(answers[at] as Answer);
        },
        (error: unknown) => {
          for (const item of group) taken.get(item)?.reject(error);
        },
      );
    }
  };
  return (item) =>
    new Promise((resolve, reject) => {
      if (waiting.size === 0) (until === 'tick' ? queueMicrotask : setImmediate)(flush);
      waiting.set(item, { resolve, reject });
    });
}

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}
