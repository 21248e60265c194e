/** The creations of a simulation. Decides under which lease one runs, and whether its process has kept that up. */
import type { Creation, Operation, WatchedRegion } from './calls.js';
import type { Checks } from './checks.js';
import type { StoreModel } from './model.js';

export class WatchedCreations {
  readonly #checks: Checks;
  readonly #model: Pick<StoreModel<never, never>, 'isLeaseLost'>;
  readonly #callNow: () => Operation | undefined;
  #count = 0;

  /** `callNow`: the call that the running code is part of. */
  constructor(
    checks: Checks,
    model: Pick<StoreModel<never, never>, 'isLeaseLost'>,
    callNow: () => Operation | undefined,
  ) {
    this.#checks = checks;
    this.#model = model;
    this.#callNow = callNow;
  }

  /** So far. */
  get count(): number {
    return this.#count;
  }

  /** A creator is called. */
  begin(region: WatchedRegion, key: string): Creation {
    const { origins, scheduler, notes, elections, steps, troubles } = this.#checks;
    const { process, label } = region;
    const operation = this.#callNow();
    if (operation) operation.creates = true;
    const won = operation?.tickets.get(key);
    const hasLostLease = won !== undefined && this.#model.isLeaseLost?.(won.token) === true;
    const token = hasLostLease ? undefined : won?.token;
    const { value, origin } = origins.newValue(key, 0);
    const creation: Creation = Object.assign(origin, {
      id: value.id,
      order: origins.tick(),
      time: scheduler.now,
      askedAt: operation?.time ?? scheduler.now,
      process,
      region,
      token,
      hasLostLease,
      endedIn: undefined,
    });
    this.#count++;
    if (token) steps.began(token);
    notes.log(`${label} creates ${key} as ${value.id} ${token ? `under #${token.slice(0, 4)}` : 'without a lease'}`);
    elections.began(creation, operation, (since) => troubles.isCutOff(region, since));
    return creation;
  }

  end(creation: Creation): void {
    const { ledger, scheduler, notes, elections, steps } = this.#checks;
    creation.endedIn = scheduler.steps;
    const { process, token } = creation;
    if (token) steps.ended(token);
    const lapsed = token === undefined ? undefined : ledger.lapsed(token, scheduler.now);
    if (lapsed && Math.max(process.troubledAt, process.disturbedAt) < lapsed.at)
      notes.violated(`${process.name} let its lease lapse while it created ${creation.key}`);
    elections.ended(creation);
  }
}
