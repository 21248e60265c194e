import type { FunctionKeyGenerator, FunctionMultiKeyGenerator } from './api.js';
export const functionKeyGenerator: FunctionKeyGenerator = () => () => '';
export const functionMultiKeyGenerator: FunctionMultiKeyGenerator = () => () => [];
