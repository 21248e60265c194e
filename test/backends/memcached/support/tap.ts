/** Stands between a client and a server, and reads along: every request, one by one, as strictly as the protocol has them. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { listen } from '../../../services/server.js';

export interface Tap {
  readonly url: string;
  /** `'set key'`, `'get key key'`, or `'? …'` for what is no request of the kinds that are expected. */
  readonly requests: string[];
  /** Ends every connection that stands. */
  cut(): void;
  close(): Promise<void>;
}

export async function tap(port: number): Promise<Tap> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let pending = Buffer.alloc(0);
    client.on('data', (chunk) => {
      pending = readRequests(Buffer.concat([pending, chunk]), requests);
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => client.write(chunk));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  const own = await listen(server);
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `127.0.0.1:${own}`,
    requests,
    cut,
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers with what is left: half a request. */
function readRequests(bytes: Buffer, into: string[]): Buffer<ArrayBuffer> {
  let rest = Buffer.from(bytes);
  for (;;) {
    const length = rest[0] === 0x80 ? readFrame(rest, into) : readLine(rest, into);
    if (length === undefined) return rest;
    rest = rest.subarray(length);
  }
}

const NAMES: Readonly<Record<number, string>> = {
  0: 'get',
  1: 'set',
  2: 'add',
  3: 'replace',
  4: 'delete',
  28: 'touch',
};

function readFrame(bytes: Buffer, into: string[]): number | undefined {
  if (bytes.length < 24 || bytes.length < 24 + bytes.readUInt32BE(8)) return undefined;
  const from = 24 + bytes.readUInt8(4);
  const key = bytes.subarray(from, from + bytes.readUInt16BE(2)).toString('latin1');
  const name = NAMES[bytes.readUInt8(1)];
  into.push(name ? `${name} ${key}` : `? ${bytes.readUInt8(1)} ${key}`);
  return 24 + bytes.readUInt32BE(8);
}

function readLine(bytes: Buffer, into: string[]): number | undefined {
  const end = bytes.indexOf('\r\n');
  if (end < 0) return undefined;
  const line = bytes.subarray(0, end).toString('latin1');
  const [, write, writeKey, length] = /^(set|add|cas) ([\x21-\x7e]+) 0 -?\d+ (\d+)(?: \d+)?$/.exec(line) ?? [];
  if (write !== undefined) {
    const whole = end + 2 + Number(length) + 2;
    if (bytes.length < whole) return undefined;
    const isEnded = bytes.subarray(whole - 2, whole).toString() === '\r\n';
    into.push(isEnded ? `${write} ${writeKey}` : `? ${line}`);
    return whole;
  }
  if (line !== 'version')
    into.push(/^(?:gets?(?: [\x21-\x7e]+)+|delete [\x21-\x7e]+)$/.test(line) ? line : `? ${line}`);
  return end + 2;
}
