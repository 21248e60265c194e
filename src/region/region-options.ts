/**
 * What `makeRegion()` and `configure()` are told. Decides which options either knows, and where one belongs that stands in the wrong
 * place. What the guard is told is `guard-settings.ts`; what a backend is told, its own file.
 */
import type { ConfigureOptions, RegionOptions } from '../api.js';
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import { checkBoolean, checkFunction, checkMembers, checkObject, checkString, refuseUnknown } from '../validation.js';
import { expirationOption, overrides, POLICY_NAMES } from './policy-options.js';
import { DEFAULTS, type Settings, settled } from './settings.js';

const REGION = [
  'name',
  'keyMangler',
  'serializer',
  'functionKeyGenerator',
  'functionMultiKeyGenerator',
  'asyncCreationRunner',
  'clock',
  'random',
] as const satisfies readonly (keyof RegionOptions)[];
const CONFIGURE = [
  ...POLICY_NAMES,
  'wrap',
  'replaceExistingBackend',
  'regionInvalidator',
  'backendTimeout',
  'breaker',
  'onBackendError',
  'arguments',
];

export function checkRegionOptions(options: RegionOptions): void {
  checkObject('The options of a region', options);
  refuseUnknown('A region', options, REGION, belongsToRegion);
  const {
    name: called,
    keyMangler,
    serializer,
    functionKeyGenerator,
    functionMultiKeyGenerator,
    asyncCreationRunner,
    clock,
    random,
  } = options;
  if (called !== undefined) checkString('name', called);
  if (keyMangler !== undefined && keyMangler !== false) checkFunction('keyMangler', keyMangler);
  const functions = { functionKeyGenerator, functionMultiKeyGenerator, asyncCreationRunner, random };
  for (const [name, value] of Object.entries(functions)) if (value !== undefined) checkFunction(name, value);
  if (serializer !== undefined) checkMembers('serializer', serializer, ['serialize', 'deserialize']);
  if (clock !== undefined) checkMembers('clock', clock, ['now', 'setTimeout', 'clearTimeout']);
}

/** What a region's `configure` says of the policy. */
export function regionSettings(options: ConfigureOptions): Settings {
  checkObject('The options of configure()', options);
  const ofBackend = 'What the backend itself is told goes into `arguments`.';
  refuseUnknown('configure()', options, CONFIGURE, (name) => belongs(name, REGION, 'makeRegion()') ?? ofBackend);
  const { replaceExistingBackend, regionInvalidator, expirationTime } = options;
  if (replaceExistingBackend !== undefined) checkBoolean('replaceExistingBackend', replaceExistingBackend);
  if (regionInvalidator !== undefined) checkInvalidator(regionInvalidator);
  const expiration = expirationOption(expirationTime) ?? DEFAULTS.expiration;
  return settled({ ...DEFAULTS, expiration, ...overrides(options) });
}

function checkInvalidator(invalidator: NonNullable<ConfigureOptions['regionInvalidator']>): void {
  if (invalidator === 'local' || invalidator === 'shared') return;
  if (typeof invalidator === 'string') {
    throw new ValidationError(
      `regionInvalidator must be 'local', 'shared' or a strategy with invalidate() and cutoffs(), not ${shown(invalidator)}.`,
    );
  }
  checkMembers('regionInvalidator', invalidator, ['invalidate', 'cutoffs']);
}

/** Where a name belongs that a call or a decorator does not know. */
export function belongsToRegion(name: string): string | undefined {
  return belongs(name, CONFIGURE, 'configure()');
}

/** Also the name that other caches have for an expiration time. */
function belongs(name: string, known: readonly string[], place: string): string | undefined {
  if (known.includes(name)) return `It is an option of ${place}.`;
  return /^(ttl|max_?age)$/i.test(name) ? 'The age beyond which a value is stale is its `expirationTime`.' : undefined;
}
