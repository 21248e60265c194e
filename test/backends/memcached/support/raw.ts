/** Looks at a server from outside, and plays the others who use it. */
import { connect } from 'node:net';

/** How an answer may end. */
const END =
  /(?:^|\r\n)(?:END|STORED|NOT_STORED|EXISTS|NOT_FOUND|DELETED|TOUCHED|OK|ERROR|(?:CLIENT|SERVER)_ERROR [^\r]*|EN|HD[^\r]*|VERSION [^\r]*)\r\n$/;

/** Sends one command, with its data, and settles with the whole answer (latin1). */
export function raw(port: number, command: string, data?: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`${command}\r\n`);
      if (data !== undefined) {
        socket.write(data);
        socket.write('\r\n');
      }
    });
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (!END.test(answer)) return;
      socket.destroy();
      resolve(answer);
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`No end: ${answer.slice(0, 200)}`)));
  });
}

/** Stores as another program would: with flags of its own. */
export async function store(port: number, key: string, value: string | Buffer, flags = 0, seconds = 0): Promise<void> {
  const answer = await raw(port, `set ${key} ${flags} ${seconds} ${Buffer.byteLength(value)}`, value);
  if (answer !== 'STORED\r\n') throw new Error(answer);
}

/** `{ flags, value }` as they are there; `undefined`: nothing is. */
export async function stored(port: number, key: string): Promise<{ flags: number; value: string } | undefined> {
  const answer = await raw(port, `get ${key}`);
  const [, flags, length] = /^VALUE \S+ (\d+) (\d+)\r\n/.exec(answer) ?? [];
  if (flags === undefined) return undefined;
  const from = answer.indexOf('\r\n') + 2;
  return { flags: Number(flags), value: answer.slice(from, from + Number(length)) };
}

/** How long an item has, in the server's seconds: -1 for ever, `undefined`: it is not there. */
export async function secondsLeft(port: number, key: string): Promise<number | undefined> {
  const answer = await raw(port, `mg ${key} t`);
  const left = /^HD t(-?\d+)/.exec(answer)?.[1];
  return left === undefined ? undefined : Number(left);
}
