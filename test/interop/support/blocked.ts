/** A creator of ours that keeps its process for itself: no timer fires there, and no answer is read, until the test says so. */
import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Call, Participant } from './participant.js';

const BLOCKED = `region.getOrCreate(key, () => {
  const { existsSync } = process.getBuiltinModule('node:fs');
  // Says that it runs; what settles it is the sign.
  create();
  const still = new Int32Array(new SharedArrayBuffer(4));
  while (!existsSync(sign)) Atomics.wait(still, 0, 0, 10);
  return 'late';
})`;

/** `unblock` settles when the call is answered. */
export function createBlocked(
  ours: Participant,
  key: string,
): { readonly call: Call; readonly unblock: () => Promise<void> } {
  const sign = join(tmpdir(), `dogpile-sign-${randomUUID()}`);
  const call = ours.start(BLOCKED, { key, sign });
  const unblock = async () => {
    await writeFile(sign, '');
    await call.answer.catch(() => {});
    await rm(sign, { force: true });
  };
  return { call, unblock };
}
