/** Reads addresses of memcached servers: `host:port`, URLs, paths of unix sockets. Decides nothing about what is done there. */
import { ValidationError } from '../../errors.js';
import { shown } from '../../shown.js';
import { decoded, portOf } from '../url-parts.js';
import { placeOf } from './meta/address.js';

/** A server, spelled out. Either `host` and `port` or `path` (a unix socket). */
export interface MemcachedServer {
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const PORT = 11211;
const ACCEPTED = `'host', 'host:${PORT}', '[::1]:${PORT}', 'memcached://user:password@host:${PORT}', 'unix:///path/to/socket' or '/path/to/socket'`;

/** One address or an array of them, each server once. The errors never show an address with a scheme: there may be a password in it. */
export function serversFrom(option: string, url: unknown): readonly MemcachedServer[] {
  if (!Array.isArray(url)) return [serverFrom(option, url)];
  if (url.length === 0)
    throw new ValidationError(`${option} must be an address (${ACCEPTED}), or at least one of them in an array.`);
  const servers = url.map((one, at) => serverFrom(`${option}[${at}]`, one));
  const places = servers.map(placeOf);
  const twice = places.find((place, at) => places.indexOf(place) !== at);
  if (twice !== undefined) throw new ValidationError(`${option} names the server ${twice} twice.`);
  return servers;
}

function serverFrom(option: string, url: unknown): MemcachedServer {
  if (typeof url === 'string') {
    if (url.includes('://')) return fromUrl(option, url);
    if (url.startsWith('/')) return plain('', PORT, url);
    const [, bracketed, host = bracketed, port] = /^(?:\[([^\]\s]+)\]|([^:/@\s]+))(?::(\d+))?$/.exec(url) ?? [];
    if (host) return plain(host, portOf(option, port === undefined ? PORT : Number(port)));
    if (url.includes('@'))
      throw new ValidationError(`${option} must be ${ACCEPTED}: credentials need the form of a URL.`);
  }
  throw new ValidationError(`${option} must be ${ACCEPTED}, not ${shown(url)}.`);
}

function fromUrl(option: string, text: string): MemcachedServer {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    // The engine's error carries the whole URL.
    const why = cause instanceof Error ? cause.message : 'invalid';
    throw new ValidationError(`${option} must be ${ACCEPTED}. What was given is no URL.`, {
      cause: new TypeError(why),
    });
  }
  const isSocket = url.protocol === 'unix:';
  if (!isSocket && url.protocol !== 'memcached:')
    throw new ValidationError(`${option} must be ${ACCEPTED}, not one that begins with ${shown(url.protocol)}.`);
  if (url.search || url.hash || (!isSocket && /^\/./.test(url.pathname)))
    throw new ValidationError(`${option} must be ${ACCEPTED}, and nothing behind it: memcached has no databases.`);
  const path = isSocket ? decoded(option, url.pathname) : undefined;
  if (isSocket && (url.host || path === '' || path === '/'))
    throw new ValidationError(`${option} names no unix socket: it must be 'unix:///path/to/socket'.`);
  return {
    // An IPv6 address stands in brackets in a URL, and nowhere else.
    ...plain(
      url.hostname.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1',
      portOf(option, url.port === '' ? PORT : Number(url.port)),
      path,
    ),
    username: decoded(option, url.username) || undefined,
    password: decoded(option, url.password) || undefined,
  };
}

function plain(host: string, port: number, path?: string): MemcachedServer {
  return { host, port, path, username: undefined, password: undefined };
}
