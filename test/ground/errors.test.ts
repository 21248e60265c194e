import { describe, expect, it } from 'vitest';
import * as errors from '../../src/errors.js';
import { DogpileCacheError } from '../../src/errors.js';

const classes = Object.values(errors).filter((each) => each !== DogpileCacheError);

describe('errors', () => {
  it('are those of the contract', () => {
    expect(classes.map(({ name }) => name).sort()).toEqual([
      'BackendNotFoundError',
      'BackendTimeoutError',
      'BackendUnavailableError',
      'CantDeserializeError',
      'CreationTimeoutError',
      'DriverNotInstalledError',
      'KeyGenerationError',
      'LockTimeoutError',
      'ReentrantCreationError',
      'RegionAlreadyConfiguredError',
      'RegionClosedError',
      'RegionNotConfiguredError',
      'SerializationError',
      'ValidationError',
      'ValueTooLargeError',
    ]);
  });

  it.each(classes.map((each) => [each.name, each] as const))(
    '%s has its code, name, message and stack',
    (name, Class) => {
      const snake = name
        .replace(/Error$/, '')
        .replace(/(?<=[a-z])(?=[A-Z])/g, '_')
        .toUpperCase();
      const error = new Class('what to do');
      expect(error).toBeInstanceOf(DogpileCacheError);
      expect(error).toBeInstanceOf(Error);
      expect(error).toMatchObject({ code: `DOGPILE_${snake}`, name, message: 'what to do' });
      expect(error.stack).toContain(`${name}: what to do`);
    },
  );

  it('have the cause they are given', () => {
    const cause = new Error('below');
    for (const Class of [DogpileCacheError, ...classes]) expect(new Class('what to do', { cause }).cause).toBe(cause);
  });

  it('without a cause have none, not one that is undefined', () => {
    const error = new errors.ValidationError('no');
    expect(error.cause).toBeUndefined();
    expect('cause' in error).toBe(false);
  });

  it('of subclasses of users have the subclass’s name', () => {
    class MineError extends errors.CantDeserializeError {}
    expect(new MineError('no')).toMatchObject({ name: 'MineError', code: 'DOGPILE_CANT_DESERIALIZE' });
  });
});
