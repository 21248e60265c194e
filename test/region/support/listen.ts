/** Writes down what a region says on its channels, in order, until it is stopped. */
import diagnostics from 'node:diagnostics_channel';
import type { CacheRegion } from '../../../src/region/region.js';

const PLAIN = ['hit', 'miss', 'stale', 'wait', 'refuse', 'invalidate', 'delete', 'backend-error', 'breaker'];
const TRACED = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];

export interface Heard {
  /** `[channel, message without its region]`; of the tracing channel `create start`, `create asyncEnd` …, as it was then. */
  readonly messages: (readonly [channel: string, message: Readonly<Record<string, unknown>>])[];
  stop(): void;
}

export function listenTo(region: CacheRegion): Heard {
  const messages: Heard['messages'] = [];
  const names = [
    ...PLAIN.map((name) => [`dogpile.cache:${name}`, name] as const),
    ...TRACED.map((name) => [`tracing:dogpile.cache:create:${name}`, `create ${name}`] as const),
  ];
  const stops = names.map(([full, short]) => {
    const hear = (message: unknown) => {
      const { region: its, ...rest } = message as { region: unknown };
      if (its === region) messages.push([short, rest]);
    };
    diagnostics.subscribe(full, hear);
    return () => diagnostics.unsubscribe(full, hear);
  });
  return {
    messages,
    stop: () => {
      for (const stop of stops) stop();
    },
  };
}
