/** What the type tests are written with: the compiler runs them, nobody calls them. */

/** Whether two types are the very same, `any` and `readonly` included. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** `yes<Equal<A, B>>()` compiles when they are. */
export function yes<_Claim extends true>(): void {}
