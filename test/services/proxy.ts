/** A TCP proxy between a client under test and a server: delays, holds back, cuts and refuses. What a network does, never what a server does. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from './server.js';

export interface RunningProxy {
  readonly port: number;
  /** Of clients, now. */
  connections(): number;
  /** All is well from now on; what was held back is delivered. */
  pass(): void;
  /** Every piece takes so many milliseconds longer, each way. */
  delay(ms: number): void;
  /** Takes connections and bytes, delivers nothing until `pass`. */
  blackHole(): void;
  /** Each connection there is ends once the server has answered so many bytes more; those made later pass. */
  cutAfter(bytes: number): void;
  /** Ends what there is; nobody listens any more until `pass`. */
  refuse(): Promise<void>;
  stop(): Promise<void>;
}

type Way = { readonly is: 'passing'; readonly delay: number } | { readonly is: 'holding' };

class Pair {
  readonly #client: Socket;
  readonly #server: Socket;
  /** Of the server's answers; `undefined`: as many as there are. */
  bytesLeft: number | undefined;

  constructor(client: Socket, server: Socket) {
    this.#client = client;
    this.#server = server;
  }

  end(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  answer(bytes: Buffer): void {
    if (this.bytesLeft === undefined) return void this.#client.write(bytes);
    const part = bytes.subarray(0, this.bytesLeft);
    this.bytesLeft -= part.length;
    if (this.bytesLeft > 0) return void this.#client.write(part);
    // What was written is delivered before the end.
    this.#client.end(part, () => this.end());
  }

  request(bytes: Buffer): void {
    this.#server.write(bytes);
  }
}

export async function startProxy(target: number): Promise<RunningProxy> {
  let way: Way = { is: 'passing', delay: 0 };
  const pairs = new Set<Pair>();
  const held = new Set<() => void>();

  /** Settles when what came is to be delivered. */
  const due = async () => {
    const now = way;
    if (now.is === 'passing') return void (now.delay > 0 && (await sleep(now.delay)));
    await new Promise<void>((resolve) => held.add(resolve));
  };
  /** In the order in which it came. */
  const inOrder = (deliver: (bytes: Buffer) => void) => {
    let last = Promise.resolve();
    return (bytes: Buffer) => {
      last = Promise.all([last, due()]).then(() => deliver(bytes));
    };
  };

  const listener = createServer((client) => {
    const server = connect(target, '127.0.0.1');
    const pair = new Pair(client, server);
    pairs.add(pair);
    const gone = () => {
      pairs.delete(pair);
      pair.end();
    };
    client.on(
      'data',
      inOrder((bytes) => pair.request(bytes)),
    );
    server.on(
      'data',
      inOrder((bytes) => pair.answer(bytes)),
    );
    for (const socket of [client, server]) socket.on('error', gone).on('close', gone).setNoDelay();
  });
  const port = await listen(listener);

  const change = (to: Way) => {
    way = to;
    if (to.is === 'holding') return;
    for (const deliver of held) deliver();
    held.clear();
    if (!listener.listening) listener.listen(port, '127.0.0.1');
  };
  const refuse = async () => {
    const closed = listener.listening ? once(listener, 'close') : undefined;
    listener.close();
    for (const pair of pairs) pair.end();
    await closed;
  };
  return {
    port,
    connections: () => pairs.size,
    pass: () => change({ is: 'passing', delay: 0 }),
    delay: (ms) => change({ is: 'passing', delay: ms }),
    blackHole: () => change({ is: 'holding' }),
    cutAfter: (bytes) => {
      for (const pair of pairs) pair.bytesLeft = bytes;
    },
    refuse,
    stop: refuse,
  };
}
