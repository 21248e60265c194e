/**
 * One object per name for as long as somebody refers to it (Python's `NameRegistry`). Decides identity only; when an object
 * that nobody refers to is collected makes no difference but to memory.
 */
export class NameRegistry<T extends object> {
  readonly #create: (name: string) => T;
  readonly #known = new Map<string, WeakRef<T>>();
  readonly #gone = new FinalizationRegistry<{ name: string; ref: WeakRef<T> }>(({ name, ref }) => {
    if (this.#known.get(name) === ref) this.#known.delete(name);
  });

  constructor(create: (name: string) => T) {
    this.#create = create;
  }

  /** The object of this name: the one that is in use, else a new one. */
  get(name: string): T {
    const known = this.#known.get(name)?.deref();
    if (known) return known;
    const made = this.#create(name);
    // What makes one may itself have asked for this name: the first that was given out is the one.
    const given = this.#known.get(name)?.deref();
    if (given) return given;
    const ref = new WeakRef(made);
    this.#known.set(name, ref);
    this.#gone.register(made, { name, ref });
    return made;
  }
}
