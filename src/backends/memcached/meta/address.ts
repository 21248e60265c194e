/** Where a memcached server is, and what it is called on the ring. Decides nothing about connecting. */

/** A TCP server, or `path`: a Unix socket. */
export interface MetaAddress {
  readonly host: string;
  readonly port: number;
  readonly path?: string | undefined;
  /** ASCII authentication; both or none. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** For messages. */
export function placeOf({ host, port, path }: MetaAddress): string {
  return path ?? (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);
}

/** As libmemcached names servers on its ring: the default port is left out, that of a socket is 0. */
export function ringNameOf({ host, port, path }: MetaAddress): string {
  if (path !== undefined) return `${path}:0`;
  return port === 11211 ? host : `${host}:${port}`;
}
