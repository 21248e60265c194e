import type { CacheBackend, Storable } from '../../src/api.js';
import { memoryBackend, memorySerializedBackend } from '../../src/backends/memory.js';
import { prove } from './support/prove.js';

prove('[py 167-191, 204] memory', { create: () => memoryBackend() });
prove('[py 167-195, 204] memory_serialized', { create: () => memorySerializedBackend() });
prove('memory over a Map of the user', { create: () => memoryBackend({ store: new Map<string, Storable>() }) });

for (const [name, make] of [
  ['memory', memoryBackend],
  ['memory_serialized', memorySerializedBackend],
] as const) {
  let shared: CacheBackend | undefined;
  prove(`two regions over one ${name} backend`, {
    create: () => {
      shared = make();
      return shared;
    },
    second: () => shared ?? make(),
  });
}
