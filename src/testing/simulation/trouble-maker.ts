/** What goes wrong in a simulation, and when: pauses, kills, evictions, a bad network, a store that is out of reach. All by chance. */
import type { Faults } from './network.js';
import type { SimulatedProcess } from './process.js';
import type { Scheduler } from './scheduler.js';

/** How likely each is, beside the others. */
export const MISFORTUNES = { pause: 6, evict: 5, storm: 4, outage: 2, kill: 1 };
export type Misfortunes = typeof MISFORTUNES;

/** A network where nothing is wrong, and one where much is. */
export const QUIET: Faults = { lose: 0, repeat: 0, slow: 0.05, delay: 20, slowDelay: 90 };
const STORM: Faults = { lose: 0.1, repeat: 0.15, slow: 0.4, delay: 40, slowDelay: 700 };

export interface TroubleMakerOptions {
  readonly scheduler: Scheduler;
  readonly network: { readonly faults: Faults; outage: 'none' | 'refusing' | 'silent' };
  readonly processes: readonly SimulatedProcess[];
  readonly misfortunes: Misfortunes;
  /** The store loses something. */
  evict(): void;
  log(line: string): void;
}

export class TroubleMaker {
  readonly #options: TroubleMakerOptions;
  #isOver = false;

  constructor(options: TroubleMakerOptions) {
    this.#options = options;
  }

  /** Something goes wrong, and then something else, until the end. */
  begin(): void {
    this.#later(800, () => {
      if (this.#isOver) return;
      this.#misfortune();
      this.begin();
    });
  }

  /** Nothing goes wrong any more: now everything has to come to rest. */
  end(): void {
    this.#isOver = true;
    this.#calm();
    for (const process of this.#options.processes) if (process.state === 'paused') this.#resume(process);
  }

  /** A process is hit at this very moment: killed, or cut off from the store, and with it everybody. */
  strike(process: SimulatedProcess, how: 'kill' | 'silence'): void {
    if (this.#isOver || !process.isAlive) return;
    this.#options.log(`${process.name} is struck: ${how}`);
    if (how === 'kill') return process.kill();
    this.#options.network.outage = 'silent';
    this.#later(1500, () => this.#calm());
  }

  #misfortune(): void {
    const { scheduler, network, processes, misfortunes, evict, log } = this.#options;
    const { chance } = scheduler;
    const process = chance.pick(processes);
    switch (chance.weighted(misfortunes)) {
      case 'pause':
        log(`${process.name} is paused`);
        process.pause();
        this.#later(chance.hits(0.3) ? 5000 : 1200, () => this.#resume(process));
        return;
      case 'evict':
        return evict();
      case 'storm':
        log('the network is bad');
        Object.assign(network.faults, STORM);
        this.#later(1500, () => this.#calm());
        return;
      case 'outage':
        network.outage = chance.hits(0.5) ? 'refusing' : 'silent';
        log(`the store is ${network.outage}`);
        this.#later(1500, () => this.#calm());
        return;
      case 'kill':
        if (processes.filter(({ isAlive }) => isAlive).length < 2 || !process.isAlive) return;
        log(`${process.name} is killed`);
        process.kill();
    }
  }

  #later(most: number, run: () => void): void {
    const { scheduler } = this.#options;
    scheduler.after(scheduler.chance.between(1, most), run);
  }

  #resume(process: SimulatedProcess): void {
    this.#options.log(`${process.name} goes on`);
    process.resume();
  }

  #calm(): void {
    const { network, log } = this.#options;
    log('the network is good');
    network.outage = 'none';
    Object.assign(network.faults, QUIET);
  }
}
