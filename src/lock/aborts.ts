/**
 * What is to happen when a signal aborts. Decides that however many calls share a signal, it has one listener of ours, and none at
 * rest: Node takes more than ten for a leak.
 */
interface Listening {
  readonly runs: Set<() => void>;
  listener(): void;
}

/** Written by `onAbort` and by who leaves. The signal itself keeps what is here alive, through its listener. */
const listenings = new WeakMap<AbortSignal, Listening>();

/**
 * Runs `run` when the signal aborts, unless the caller has left: what it answers with is called to leave, at the end of the wait,
 * also of one that was aborted. A signal that is aborted already never aborts again: ask before.
 */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (!signal) return () => {};
  const listening = listenings.get(signal) ?? listenTo(signal);
  // A function of this call's own: what two calls ask for is two things.
  const mine = () => run();
  listening.runs.add(mine);
  return () => {
    listening.runs.delete(mine);
    if (listening.runs.size > 0 || listenings.get(signal) !== listening) return;
    listenings.delete(signal);
    signal.removeEventListener('abort', listening.listener);
  };
}

/**
 * For one caller's waits for many things: `wait` is given a signal that aborts with the caller's, and once `wait` has failed, so that
 * nothing is waited for any more. A caller who is aborted already waits for nothing.
 */
export async function together<T>(
  signal: AbortSignal | undefined,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const leaving = new AbortController();
  const stopListening = onAbort(signal, () => leaving.abort(signal?.reason));
  try {
    return await wait(leaving.signal);
  } catch (error) {
    leaving.abort(error);
    throw error;
  } finally {
    stopListening();
  }
}

function listenTo(signal: AbortSignal): Listening {
  const runs = new Set<() => void>();
  const listening: Listening = {
    runs,
    listener: () => {
      // A copy: whoever comes while it aborts has been told by the signal itself.
      for (const run of [...runs]) if (runs.has(run)) run();
    },
  };
  listenings.set(signal, listening);
  signal.addEventListener('abort', listening.listener);
  return listening;
}
