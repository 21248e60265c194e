/** `dogpile-cache`: the whole public surface of the core. */
export type * from './api.js';
export { CachedValue } from './api.js';
export { BasicBackend } from './backends/basic.js';
export { type MemoryArguments, type MemoryStore, memoryBackend, memorySerializedBackend } from './backends/memory.js';
export { nullBackend } from './backends/null.js';
export type { CacheMessage, ChannelMessages } from './channels.js';
export { configFromEnv } from './config.js';
export { debugLog } from './debug-log.js';
export { parseDuration } from './duration.js';
export * from './errors.js';
export {
  encodeArgument,
  functionKeyGenerator,
  functionMultiKeyGenerator,
  lengthConditionalMangler,
  type PythonKeyOptions,
  prefixMangler,
  pythonFunctionKeyGenerator,
  pythonFunctionMultiKeyGenerator,
  sha1MangleKey,
  sha256MangleKey,
} from './keys.js';
export { type CompressionOptions, CompressionProxy } from './proxies/compression.js';
export { KeyPrefixProxy } from './proxies/key-prefix.js';
export { type DebugLogger, LoggingProxy } from './proxies/logging.js';
export { ProxyBackend } from './proxy.js';
export { asCached, asCachedMulti } from './region/as-cached.js';
export { currentCreation } from './region/context.js';
export type * from './region/decorator-types.js';
export { CacheRegion, makeRegion } from './region/region.js';
export {
  type ArgumentsOf,
  type BackendArguments,
  type BackendFactory,
  type BackendName,
  registerBackend,
} from './registry.js';
export { jsonSerializer, msgpackSerializer, v8Serializer } from './serializers.js';
