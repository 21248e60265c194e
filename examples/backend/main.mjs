// @ts-check
/** Uses the backend beside this file: many requests, one query; and the value is still there for the next process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRegion, registerBackend } from 'dogpile-cache';

registerBackend('folder', () => import('./folder-backend.mjs'));

const folder = await mkdtemp(join(tmpdir(), 'folder-backend-'));
const open = () => makeRegion({ name: 'users' }).configure('folder', { expirationTime: '1h', arguments: { folder } });

let queries = 0;
const lookUp = async () => ({ id: 5, name: 'Ada', query: ++queries });

const users = open();
const answers = await Promise.all(Array.from({ length: 100 }, () => users.getOrCreate('user:5', lookUp)));
console.log(`${answers.length} requests, ${queries} query: ${JSON.stringify(answers[0])}`);
await users.close();

const later = open();
console.log(`afterwards: ${JSON.stringify(await later.get('user:5'))}`);
await later.delete('user:5');
console.log(`deleted: ${await later.get('user:5')}`);
await later.close();
await rm(folder, { recursive: true });
