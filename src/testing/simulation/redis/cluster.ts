/**
 * A simulated cluster: nodes that own slots, and what makes them refuse. Decides which node carries a command out; what a command does
 * there is `server.ts`'s.
 */

import type { Word } from '../../../backends/redis/client.js';
import { slotOf } from '../../../backends/redis/slots.js';
import { type Command, calledBy, type Reply, SimulatedRedis } from './server.js';

const NODES = 3;
const SLOTS = 16_384;

/** What a program sends to one of the nodes. */
export interface ClusterRequest {
  readonly node: number;
  readonly command: Command;
  /** Of a program that is not ours. */
  readonly isForeign: boolean;
  /** Asked before, of a node that knew better. */
  readonly isRedirected: boolean;
}

export class SimulatedCluster {
  readonly nodes: readonly SimulatedRedis[] = Array.from({ length: NODES }, () => new SimulatedRedis());
  /** Slots that are elsewhere than at first. */
  readonly #moved = new Map<number, number>();
  /** Those on the move, and where to. */
  readonly #moving = new Map<number, number>();
  /** By node: until when it answers nothing. */
  readonly #downUntil = new Map<number, number>();
  #now = 0;

  set publish(publish: (channel: string) => void) {
    for (const { scripts } of this.nodes) scripts.publish = publish;
  }

  handle({ node, command }: ClusterRequest, now: number): Reply {
    this.#now = now;
    const server = this.nodes[node];
    if (!server || now < (this.#downUntil.get(node) ?? 0)) return { error: 'CLUSTERDOWN The cluster is down' };
    const names = namesIn(command);
    const [slot, ...others] = new Set(names.map(slotOf));
    if (slot === undefined) return server.handle(command, now);
    if (others.length > 0) return { error: "CROSSSLOT Keys in request don't hash to the same slot" };
    const owner = this.ownerOf(slot);
    if (owner !== node) return { error: `MOVED ${slot} ${owner}` };
    server.scripts.keys.now = now;
    // Those that are not there may be at the other node by now: of one it can be asked, of several none can tell.
    const isThere = () => names.every((name) => server.scripts.keys.has(name));
    if (this.#moving.has(slot) && names.length > 1 && !isThere()) {
      return { error: 'TRYAGAIN Multiple keys request during rehashing of slot' };
    }
    return server.handle(command, now);
  }

  ownerOf(slot: number): number {
    return this.#moved.get(slot) ?? Math.floor((slot * NODES) / SLOTS);
  }

  at(name: string): SimulatedRedis {
    const node = this.nodes[this.ownerOf(slotOf(name))];
    if (!node) throw new Error('Every slot has its node.');
    return node;
  }

  get names(): readonly string[] {
    return this.nodes.flatMap(({ scripts }) => scripts.keys.names);
  }

  get slotsOnTheMove(): readonly number[] {
    return [...this.#moving.keys()];
  }

  beginMove(slot: number): void {
    this.#moving.set(slot, (this.ownerOf(slot) + 1) % NODES);
  }

  endMove(slot: number): void {
    const to = this.#moving.get(slot);
    const target = to === undefined ? undefined : this.nodes[to];
    if (to === undefined || !target) return;
    for (const name of this.names.filter((each) => slotOf(each) === slot))
      this.at(name).scripts.keys.moveTo(target.scripts.keys, name);
    this.#moving.delete(slot);
    this.#moved.set(slot, to);
  }

  /** Comes back with nothing, after a while. Answers with what it had. */
  restart(node: number, ms: number): readonly string[] {
    const server = this.nodes[node];
    if (!server) return [];
    const { keys } = server.scripts;
    const lost = keys.names.filter((name) => keys.has(name));
    for (const name of lost) keys.delete(name);
    server.known.clear();
    this.#downUntil.set(node, this.#now + ms);
    return lost;
  }
}

/** What a command is about. */
export function namesIn(command: Command): readonly string[] {
  const called = calledBy(command);
  if (called) return called.keys;
  const [verb, ...words] = command;
  if (verb === 'PING') return [];
  if (verb === 'EVALSHA') return words.slice(2, 2 + Number(words[1])).map(String);
  return (verb === 'MGET' || verb === 'DEL' ? words : words.slice(0, 1)).map((word: Word) => String(word));
}
