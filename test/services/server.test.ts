import { expect, it, onTestFinished } from 'vitest';
import { startMemcached } from './memcached.js';
import { startRedis } from './redis.js';

it('what answers on a port that another has taken is not a server that was started', async () => {
  const first = await startRedis();
  onTestFinished(() => first.stop());
  await expect(startRedis({ port: first.port })).rejects.toThrow(`does not start on port ${first.port}`);
  await expect(startMemcached({ port: first.port })).rejects.toThrow(`does not start on port ${first.port}`);
});
