/** The arguments of the file backend and their checks, apart from the engine: `configure` checks them before anything is imported. */
import type { Duration } from '../api.js';
import { durationOption } from '../duration.js';
import { ValidationError } from '../errors.js';
import { checkBoolean, checkCount, checkObject, checkString, refuseUnknown } from '../validation.js';

export interface FileArguments {
  filename: string;
  maxSize?: number | undefined;
  distributedLock?: boolean | undefined;
  lockTimeout?: Duration | undefined;
  lockMaxHold?: Duration | undefined;
  lockSleep?: Duration | undefined;
}

export function checkFileArguments(args: object): FileArguments {
  checkObject('The arguments of the file backend', args);
  refuseUnknown('The file backend', args, ['filename', 'maxSize', 'distributedLock', 'lockTimeout', 'lockMaxHold', 'lockSleep']);
  const given = args as Partial<FileArguments>;
  if (given.filename === undefined) throw new ValidationError('The file backend needs a filename.');
  checkString('filename', given.filename);
  if (given.maxSize !== undefined) checkCount('maxSize', given.maxSize);
  if (given.distributedLock !== undefined) checkBoolean('distributedLock', given.distributedLock);
  for (const name of ['lockTimeout', 'lockMaxHold', 'lockSleep'] as const) if (given[name] !== undefined) durationOption(given[name], name);
  return given as FileArguments;
}
