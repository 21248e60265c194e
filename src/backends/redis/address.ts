/** Reads addresses of servers: URLs and `host:port`. Decides nothing about what is done there. */
import { ValidationError } from '../../errors.js';
import { shown } from '../../shown.js';
import { decoded, portOf } from '../url-parts.js';

/** `'host:port'`, `'[::1]:port'`, a URL, or the two by name. */
export type RedisAddress = string | { host: string; port?: number | undefined };

/** A server, spelled out. Either `host` and `port` or `path` (a Unix socket). */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

const ACCEPTED = `a URL such as 'redis://user:password@host:6379/0', 'rediss://…' (TLS), 'valkey://…', 'valkeys://…' or 'unix:///path/to/socket?db=0'`;
const SCHEMES: Readonly<Record<string, 'tcp' | 'tls' | 'unix'>> = {
  'redis:': 'tcp',
  'rediss:': 'tls',
  'valkey:': 'tcp',
  'valkeys:': 'tls',
  'unix:': 'unix',
};

/** The server of a URL. The errors never show the URL itself: there may be a password in it. */
export function serverFrom(option: string, url: unknown, port = 6379): RedisServer {
  if (typeof url !== 'string') throw new ValidationError(`${option} must be ${ACCEPTED}, not ${shown(url)}.`);
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new ValidationError(`${option} must be ${ACCEPTED}. What was given is no URL.`, {
      cause: withoutInput(cause),
    });
  }
  const scheme = SCHEMES[parsed.protocol];
  if (!scheme)
    throw new ValidationError(`${option} must be ${ACCEPTED}, not one that begins with ${shown(parsed.protocol)}.`);
  for (const name of parsed.searchParams.keys()) {
    if (name !== 'db')
      throw new ValidationError(
        `${option} has a parameter ${shown(name)}; only "db" is known. For other options, make the client yourself and hand it in.`,
      );
  }
  if (scheme === 'unix' && parsed.hostname !== '' && parsed.hostname !== 'localhost')
    throw new ValidationError(
      `${option} has a host, ${shown(parsed.hostname)}, and a socket of this one: a path begins with a third slash, as 'unix:///path/to/socket'.`,
    );
  const place = scheme === 'unix' ? '' : decoded(option, parsed.pathname.replace(/^\//, ''));
  return {
    // An IPv6 address stands in brackets in a URL, and nowhere else.
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1',
    port: parsed.port === '' ? port : Number(parsed.port),
    path: scheme === 'unix' ? decoded(option, parsed.pathname) : undefined,
    tls: scheme === 'tls',
    username: decoded(option, parsed.username) || undefined,
    password: decoded(option, parsed.password) || undefined,
    database: databaseOf(option, place || (parsed.searchParams.get('db') ?? '')),
  };
}

/** `'host'`, `'host:port'`, `'[::1]:port'`, a URL, or `{ host, port }`, at least one. */
export function addressesFrom(option: string, addresses: unknown, port: number): readonly RedisServer[] {
  if (!Array.isArray(addresses) || addresses.length === 0) {
    const asText = typeof addresses === 'string' ? `, as text its JSON ('["host:${port}"]')` : '';
    throw new ValidationError(
      `${option} must be an array of at least one address ('host:${port}' or { host, port })${asText}, not ${shown(addresses)}.`,
    );
  }
  return addresses.map((address, at) => addressFrom(`${option}[${at}]`, address, port));
}

function addressFrom(option: string, address: unknown, port: number): RedisServer {
  if (typeof address === 'string') {
    if (address.includes('://')) return serverFrom(option, address, port);
    const [, bracketed, host = bracketed, given] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(address) ?? [];
    if (host) return plain(host, portOf(option, given === undefined ? port : Number(given)));
  } else if (
    typeof address === 'object' &&
    address !== null &&
    'host' in address &&
    typeof address.host === 'string' &&
    address.host !== ''
  ) {
    const given = 'port' in address ? address.port : undefined;
    return plain(address.host, portOf(option, given ?? port));
  }
  throw new ValidationError(`${option} must be 'host:${port}' or { host, port }, not ${shown(address)}.`);
}

function plain(host: string, port: number): RedisServer {
  return { host, port, path: undefined, tls: false, username: undefined, password: undefined, database: 0 };
}

function databaseOf(option: string, text: string): number {
  if (text === '') return 0;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ValidationError(`The database in ${option} must be a whole number, not ${shown(text)}.`);
}

/** The engine's error carries the whole URL. */
function withoutInput(cause: unknown): unknown {
  return cause instanceof Error ? new TypeError(cause.message) : cause;
}
