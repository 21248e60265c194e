/** When what answers speaks the protocol and is no Redis: replies of another shape than was asked for end the call, and say so. */
import { createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeRegion } from '../../../src/region/region.js';
import { listen } from '../../services/server.js';
import { ioredisByUrl, nodeRedisByUrl } from './support/clients.js';
import { open } from './support/during.js';
import { unavailable, verbs } from './support/verbs.js';

const HELLO = '%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n';
/** Verbs that read what comes back. */
const reading = verbs.filter(([verb]) => ['get', 'getMulti', 'acquire', 'acquireMulti', 'read'].includes(verb));

/** Takes clients in as Redis does, and answers everything else with one reply. */
async function serveReply(reply: string): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      for (const [, word = ''] of chunk.toString('latin1').matchAll(/\*\d+\r\n\$\d+\r\n([a-z]+)\r\n/gi)) {
        const command = word.toLowerCase();
        if (command === 'hello') socket.write(HELLO);
        else socket.write(command === 'client' ? '+OK\r\n' : reply);
      }
    });
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `redis://127.0.0.1:${await listen(server)}`;
}

const replies = {
  'a text': '$3\r\nabc\r\n',
  'a status': '+OK\r\n',
  'a number': ':42\r\n',
  nothing: '$-1\r\n',
  'no list': '*-1\r\n',
  'an empty list': '*0\r\n',
  'a list of seven numbers': '*7\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n',
};

it.each(['MOVED 5474 10.0.0.7:6379', "CROSSSLOT Keys in request don't hash to the same slot"])(
  'a node of a cluster that says %j to the client of one server: what to take is said',
  async (reply) => {
    const backend = await open(await serveReply(`-${reply}\r\n`));
    await expect(backend.get('k')).rejects.toThrow(
      `${reply}. This is a node of a cluster: take the redis_cluster backend.`,
    );
  },
);

describe.each([nodeRedisByUrl, ioredisByUrl])('a server that answers with another shape, to $way', (way) => {
  it.each(Object.entries(replies))('%s: every verb that reads it rejects, and a creation goes on', async (_, reply) => {
    const backend = await open(await serveReply(reply), {}, way);
    for (const [, call] of reading) await expect(call(backend)).rejects.toMatchObject(unavailable);
    const region = makeRegion().configure(backend, { expirationTime: '1m' });
    expect(await region.getOrCreate('k', () => 'mine')).toBe('mine');
  });
});
