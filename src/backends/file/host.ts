/** What processes of one host can compare: a clock that nobody sets, and which boot of the machine this is. */
import { readFileSync } from 'node:fs';

/** Milliseconds since the machine started, the same in all its processes. It stands still while the machine sleeps. */
export function uptime(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

let known: string | undefined;

/** Unique to this boot of the machine; empty where the system doesn't say. */
export function bootId(): string {
  known ??= readBootId();
  return known;
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}
