/**
 * What lies between simulated processes and the store: it delays, reorders, loses and repeats what is asked and what is answered.
 * Knows nothing of what requests mean.
 */
import type { SimulatedProcess } from './process.js';
import type { Scheduler } from './scheduler.js';

/** Probabilities, and milliseconds. */
export interface Faults {
  /** A request is lost, or its reply. */
  lose: number;
  /** A request is carried out twice; the second reply is the one that arrives. */
  repeat: number;
  /** A message takes long rather than short. */
  slow: number;
  /** How long most messages take at most. */
  delay: number;
  /** How long slow ones take at most. */
  slowDelay: number;
}

/** Who carries requests out. */
export interface Server<Request, Reply> {
  handle(request: Request, now: number): Reply;
}

/** What is told of what passes. */
export interface Wiretap<Request, Reply> {
  /** Told in the call that sends it. */
  sent(process: SimulatedProcess, id: number, request: Request): void;
  /** The store has carried it out. */
  handled(process: SimulatedProcess, id: number, request: Request, reply: Reply): void;
  /** The process is about to learn of it. */
  answered(process: SimulatedProcess, id: number, request: Request, reply: Reply): void;
  /** It was refused, or took longer than the deadline. */
  failed(process: SimulatedProcess, id: number, request: Request): void;
}

export interface NetworkOptions<Request> {
  /** Milliseconds until a request that was not answered is told to have failed. */
  readonly deadline: number;
  /** Whether the client then rejects; else it goes on waiting, and whoever called it has deadlines of his own. */
  readonly rejects: boolean;
  /** What a process sends arrives in that order, and so do the answers. */
  readonly isOrdered: boolean;
  /** The connection that a request goes over, where a process has several: each keeps an order of its own. */
  readonly connectionOf?: ((request: Request) => string) | undefined;
  /** What a process sends in one instant arrives together. */
  readonly isBatched: boolean;
  readonly faults: Faults;
}

/** How a process asks the store. Rejects when the store is out of reach, or has not answered in time. */
export interface Link<Request, Reply> {
  send(request: Request): Promise<Reply>;
  /** Calls back for each message of a channel that arrives; the answer unsubscribes. */
  subscribe(channel: string, run: () => void): () => void;
}

/** Milliseconds between two messages that arrive together. */
const AT_ONCE = 0.001;

export class Network<Request, Reply> {
  readonly #scheduler: Scheduler;
  readonly #server: Server<Request, Reply>;
  readonly #wiretap: Wiretap<Request, Reply>;
  readonly #options: NetworkOptions<Request>;
  readonly #subscribers = new Map<string, Set<{ readonly process: SimulatedProcess; readonly run: () => void }>>();
  /** By process and connection: when the last message arrives, there and back. */
  readonly #arrivals = new Map<string, { there: number; back: number; sentAt: number }>();
  #requests = 0;
  readonly faults: Faults;
  /** `refusing`: requests fail at once; `silent`: they are lost. */
  outage: 'none' | 'refusing' | 'silent' = 'none';

  constructor(
    scheduler: Scheduler,
    server: Server<Request, Reply>,
    wiretap: Wiretap<Request, Reply>,
    options: NetworkOptions<Request>,
  ) {
    this.#scheduler = scheduler;
    this.#server = server;
    this.#wiretap = wiretap;
    this.#options = options;
    this.faults = options.faults;
  }

  link(process: SimulatedProcess): Link<Request, Reply> {
    return {
      send: (request) => this.#send(process, request),
      subscribe: (channel, run) => this.#subscribe(channel, { process, run }),
    };
  }

  /** To all who have subscribed; this may be lost as well. */
  publish(channel: string): void {
    for (const subscriber of this.#subscribers.get(channel) ?? []) {
      if (this.#scheduler.chance.hits(this.faults.lose)) continue;
      const isThere = () => this.#subscribers.get(channel)?.has(subscriber);
      const { process, run } = subscriber;
      this.#carry(process.name, 'back', () => process.deliver(() => isThere() && run()));
    }
  }

  #send(process: SimulatedProcess, request: Request): Promise<Reply> {
    this.#requests++;
    const id = this.#requests;
    const { deadline, rejects } = this.#options;
    this.#wiretap.sent(process, id, request);
    return new Promise((resolve, reject) => {
      const trouble = () => {
        process.meetsTrouble();
        this.#wiretap.failed(process, id, request);
      };
      let isSettled = false;
      const timer = process.clock.setTimeout(() => {
        trouble();
        if (!rejects) return;
        isSettled = true;
        reject(new Error('The store has not answered in time.'));
      }, deadline);
      const answer = (run: () => void) => {
        if (isSettled) return;
        isSettled = true;
        process.clock.clearTimeout(timer);
        run();
      };
      const refuse = () => {
        trouble();
        reject(new Error('The store refuses connections.'));
      };
      if (this.outage === 'refusing')
        return this.#carry(this.#wayOf(process, request), 'back', () => process.deliver(() => answer(refuse)));
      this.#deliver(process, id, request, (reply) =>
        process.deliver(() =>
          answer(() => {
            process.isInTrouble = false;
            this.#wiretap.answered(process, id, request, reply);
            resolve(reply);
          }),
        ),
      );
    });
  }

  /** Carries the request out, once or twice, and its reply back; unless it is lost on the way. */
  #deliver(process: SimulatedProcess, id: number, request: Request, reply: (reply: Reply) => void): void {
    const { chance } = this.#scheduler;
    if (chance.hits(this.faults.lose)) return;
    const isRepeated = chance.hits(this.faults.repeat);
    const way = this.#wayOf(process, request);
    this.#carry(way, 'there', () => {
      if (this.outage !== 'none') return;
      const answer = this.#server.handle(request, this.#scheduler.now);
      this.#wiretap.handled(process, id, request, answer);
      if (isRepeated) this.#deliver(process, id, request, reply);
      else if (!chance.hits(this.faults.lose)) this.#carry(way, 'back', () => reply(answer));
    });
  }

  #wayOf({ name }: SimulatedProcess, request: Request): string {
    const { connectionOf } = this.#options;
    return connectionOf ? `${name} ${connectionOf(request)}` : name;
  }

  #carry(connection: string, way: 'there' | 'back', arrive: () => void): void {
    const { chance, now } = this.#scheduler;
    const { slow, delay, slowDelay } = this.faults;
    let takes = chance.between(1, chance.hits(slow) ? slowDelay : delay);
    if (this.#options.isOrdered) {
      const last = this.#arrivals.get(connection) ?? { there: 0, back: 0, sentAt: Number.NEGATIVE_INFINITY };
      this.#arrivals.set(connection, last);
      const isTogether = this.#options.isBatched && way === 'there' && last.sentAt === now;
      last[way] = Math.max(isTogether ? now : now + takes, last[way] + AT_ONCE);
      if (way === 'there') last.sentAt = now;
      takes = last[way] - now;
    }
    this.#scheduler.after(takes, arrive);
  }

  #subscribe(
    channel: string,
    subscriber: { readonly process: SimulatedProcess; readonly run: () => void },
  ): () => void {
    const subscribers = this.#subscribers.get(channel) ?? new Set();
    this.#subscribers.set(channel, subscribers);
    subscribers.add(subscriber);
    return () => {
      subscribers.delete(subscriber);
      if (subscribers.size === 0 && this.#subscribers.get(channel) === subscribers) this.#subscribers.delete(channel);
    };
  }
}
