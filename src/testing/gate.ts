/** A door in a creator, so that a test says when it goes on: no sleeping and hoping. */
export class Gate {
  /** Settles when somebody stands at the gate. */
  readonly arrived: Promise<void>;
  readonly #passing: Promise<void>;
  #arrive: () => void = () => {};
  #open: () => void = () => {};
  #fail: (reason: unknown) => void = () => {};

  constructor() {
    this.arrived = new Promise((resolve) => {
      this.#arrive = resolve;
    });
    this.#passing = new Promise((resolve, reject) => {
      this.#open = resolve;
      this.#fail = reject;
    });
    // A gate that fails before anybody stands at it is not an unhandled rejection.
    this.#passing.catch(() => {});
  }

  /** Inside: waits until the gate is open; throws what it fails with. */
  passed(): Promise<void> {
    this.#arrive();
    return this.#passing;
  }

  /** Outside: lets everybody through, now and later. */
  open(): void {
    this.#open();
  }

  /** Outside: everybody who stands at it, now and later, throws this. */
  fail(reason: unknown): void {
    this.#fail(reason);
  }
}
