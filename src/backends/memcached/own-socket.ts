/** What every connection of a client that we make is: awake only while somebody waits, and no danger to the process. */

import type { Socket } from 'node:net';
import { errorOf } from '../../shown.js';
import type { Connection } from './link.js';

/** `lost` is called once the socket has closed, for whatever reason. */
export function connectionOf<Client>(client: Client, socket: Socket, lost: (why: unknown) => void): Connection<Client> {
  let why: unknown;
  // Packages take their listeners away; an error without any would end the process.
  socket.on('error', (error) => {
    why = error;
  });
  socket.once('close', () => lost(why));
  socket.setKeepAlive(true, KEEP_ALIVE);
  return {
    client,
    hold: (isHeld) => void (isHeld ? socket.ref() : socket.unref()),
    end: () => void socket.destroy(),
  };
}

/** Of a connection that is being made: its package would wait for it on its own, and keep the process alive. */
export function endOnAbort(socket: Socket, signal: AbortSignal): void {
  const end = () => void socket.destroy();
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
}

/** Parsers of packages throw on what they don't expect, where nobody catches it: that ends the connection, not the process. */
export function guardParser(socket: Socket): void {
  const parsers = socket.listeners('data');
  socket.removeAllListeners('data');
  socket.on('data', (chunk) => {
    try {
      for (const parse of parsers) parse.call(socket, chunk);
    } catch (error) {
      socket.destroy(errorOf(error));
    }
  });
}

/** Milliseconds of silence, after which the system asks whether the other side is still there. */
const KEEP_ALIVE = 30_000;
