/**
 * Where the backend elects nobody (`storesNothing`): each call is a flight of its own, that nobody joins and that leaves nothing behind.
 * Decides what the call is told, as anywhere: its signal, `hardTimeout` and `close()` hold.
 */
import { limitCreation } from './attempt.js';
import type { Call } from './call.js';
import type { Creation } from './context.js';
import type { Core } from './core.js';
import type { Failed, Made } from './creating.js';
import type { Flight } from './flight.js';

interface Alone<T> {
  readonly creation: Creation;
  create(): Promise<Made<T> | Failed>;
  /** `undefined`: the creator left this key out. */
  foundFor(value: T, key: string): { readonly value: unknown } | undefined;
}

/** Calls the creator; answers with a flight for each call, in their order. */
export function flyAlone<T>(
  core: Core,
  calls: readonly Call[],
  { creation, create, foundFor }: Alone<T>,
): readonly Flight[] {
  const flown = calls.map((call) => ({ call, flight: core.flights.open(call.name, { listed: false }) }));
  const fly = async () => {
    for (const { flight } of flown) flight.begin(creation, undefined);
    const limits = flown.map(({ call, flight }) => limitCreation(core, call, flight));
    const made = await create();
    for (const stopLimit of limits) stopLimit();
    for (const { call, flight } of flown) {
      const found = 'reason' in made ? undefined : foundFor(made.value, call.key);
      if ('reason' in made) flight.end({ kind: 'failed', reason: made.reason });
      else flight.end(found ? { kind: 'created', value: found.value, shared: false } : { kind: 'nothing' });
    }
  };
  core.behind(fly());
  return flown.map(({ flight }) => flight);
}
