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

/** libmemcached leaves the default port out. */
export function ringNameOf({ host, port, path }: MetaAddress): string {
  return path ?? (port === 11211 ? host : `${host}:${port}`);
}
