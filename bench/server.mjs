/** Servers for cases that want one, on a free port. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** `undefined` where there is no such program. `args`: of a port. */
export async function startServer(command, args) {
  const port = await freePort();
  const child = spawn(command, args(port), { stdio: 'ignore' });
  const ended = new Promise((resolve) => {
    child.once('error', () => resolve(true));
    child.once('exit', () => resolve(true));
  });
  const stop = async () => {
    child.kill();
    await ended;
  };
  for (;;) {
    if (await Promise.race([ended, answers(port)])) break;
    await sleep(20);
  }
  return child.exitCode === null && child.pid ? { port, stop } : undefined;
}

async function answers(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
