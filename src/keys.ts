/** Keys of cached functions: the encoding of arguments, the generators, and manglers. */
export { encodeArgument } from './keys/encode.js';
export { functionKeyGenerator, functionMultiKeyGenerator } from './keys/generators.js';
export { lengthConditionalMangler, prefixMangler, sha1MangleKey, sha256MangleKey } from './keys/manglers.js';
export { type PythonKeyOptions, pythonFunctionKeyGenerator, pythonFunctionMultiKeyGenerator } from './keys/python.js';
