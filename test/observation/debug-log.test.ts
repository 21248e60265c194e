import { describe, expect, it, vi } from 'vitest';
import { CachedValue } from '../../src/api.js';
import { memoryBackend } from '../../src/backends/memory.js';
import { debugLog } from '../../src/debug-log.js';
import { makeRegion } from '../../src/region/region.js';

describe("Python's debug lines", () => {
  const setUp = () => {
    const lines: string[] = [];
    const backend = memoryBackend();
    const region = makeRegion().configure(backend);
    const stop = debugLog({ debug: (line) => lines.push(line) }, region);
    return { lines, backend, region, stop };
  };

  it('[py 91, 93] a miss, and how long its creation took', async () => {
    const { lines, region, stop } = setUp();
    await region.getOrCreate('some key', () => 1);
    stop();
    expect(lines).toEqual([
      'No value present for key: "some key"',
      expect.stringMatching(/^Cache value generated in \d+\.\d{3} seconds for key\(s\): "some key"$/),
    ]);
  });

  it('[py 92] long keys are cut, half from either end', async () => {
    const { lines, region, stop } = setUp();
    await region.get('x'.repeat(1000));
    stop();
    expect(lines[0]).toBe(
      `No value present for key: "${'x'.repeat(149)} ... (702 characters truncated) ... ${'x'.repeat(149)}"`,
    );
  });

  it('[py 94] a value of another version, told before an invalidation of it', async () => {
    const { lines, backend, region, stop } = setUp();
    await backend.set('k', new CachedValue(1, { ct: 1, v: 1 }));
    await region.invalidate();
    await region.getOrCreate('k', () => 2);
    stop();
    expect(lines[0]).toBe('Dogpile version update for key: "k"');
  });

  it('[py 95] a hard invalidation', async () => {
    const { lines, region, stop } = setUp();
    await region.set('k', 1);
    await region.invalidate();
    await region.getOrCreate('k', () => 2);
    stop();
    expect(lines[0]).toBe('Hard invalidation detected for key: "k"');
  });

  it('a logger that throws is a warning, and brings nothing down', async () => {
    const said: string[] = [];
    const hear = ({ message }: Error) => void said.push(message);
    const uncaught = vi.fn();
    process.on('warning', hear).on('uncaughtException', uncaught);
    const region = makeRegion().configure('memory');
    const debug = () => {
      throw new Error('disk full');
    };
    const stop = debugLog({ debug }, region);
    expect(await region.getOrCreate('k', () => 1)).toBe(1);
    stop();
    await new Promise(setImmediate);
    process.off('warning', hear).off('uncaughtException', uncaught);
    expect(uncaught).not.toHaveBeenCalled();
    expect(said).toContain('The logger of debugLog() threw: Error: disk full');
  });

  it('of the region asked for only, and not after it was stopped; a creator that fails has no line', async () => {
    const { lines, region, stop } = setUp();
    await makeRegion().configure('memory').get('elsewhere');
    await region.getOrCreate('k', () => Promise.reject(new Error('no'))).catch(() => {});
    stop();
    await region.get('later');
    expect(lines).toEqual(['No value present for key: "k"']);
  });
});
