/** Stands between our own client and a server, and lets the commands of one write through one by one: what another does comes between any two. */
import { connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';
import { listen } from '../../../services/server.js';

/** `before` is told of each command, as its first line, and keeps it and those behind it back until it settles. */
export async function inSteps(port: number, before: (command: string) => Promise<unknown>): Promise<{ url: string }> {
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    let pending = Buffer.alloc(0);
    let last = Promise.resolve();
    near.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      for (let length = lengthOf(pending); length !== undefined; length = lengthOf(pending)) {
        const command = pending.subarray(0, length);
        pending = pending.subarray(length);
        const [line = ''] = command.toString('latin1', 0, 300).split('\r\n');
        last = last.then(() => before(line)).then(() => void far.write(command));
      }
    });
    far.pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
    onTestFinished(() => void near.destroy());
  });
  onTestFinished(() => void server.close());
  return { url: `127.0.0.1:${await listen(server)}` };
}

/** Of the first command, with its value; `undefined`: it is not all there yet. */
function lengthOf(bytes: Buffer): number | undefined {
  const end = bytes.indexOf('\r\n');
  if (end < 0) return undefined;
  const value = /^ms \S+ (\d+)/.exec(bytes.toString('latin1', 0, end))?.[1];
  const length = end + 2 + (value === undefined ? 0 : Number(value) + 2);
  return bytes.length < length ? undefined : length;
}
