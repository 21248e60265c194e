/** `dogpile-cache/testing`: what proves a backend, and what makes tests of caching code deterministic. */

export type { ConformanceOptions, Law } from './conformance/law.js';
export { backendLaws, mutexLaws } from './conformance/suite.js';
export { FakeClock } from './fake-clock.js';
export { Gate } from './gate.js';
