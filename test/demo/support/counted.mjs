import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

writeFileSync(join(process.env.TEST_PIDS, String(process.pid)), '');
