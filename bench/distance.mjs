/**
 * A TCP proxy in a process of its own, that hands on what it is sent after a while: a network between two hosts, on one. It looks at
 * the clock all the time while something is on its way, since timers are too coarse. Started by `startDistance`.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** `microseconds`: each way. */
export async function startDistance(port, microseconds) {
  const child = fork(fileURLToPath(import.meta.url), [String(port), String(microseconds)]);
  const [near] = await once(child, 'message');
  const stop = async () => {
    child.kill();
    await once(child, 'exit');
  };
  return { port: near, stop };
}

function serve(port, delay) {
  /** In the order in which they are due. */
  const onTheirWay = [];
  const look = () => {
    const now = performance.now();
    while (onTheirWay.length > 0 && onTheirWay[0].due <= now) onTheirWay.shift().arrive();
    if (onTheirWay.length > 0) setImmediate(look);
  };
  const send = (arrive) => {
    if (onTheirWay.push({ due: performance.now() + delay, arrive }) === 1) setImmediate(look);
  };
  const between = (from, to) => {
    from.setNoDelay(true);
    from.on('data', (chunk) => send(() => to.write(chunk)));
    from.on('error', () => to.destroy());
    from.on('close', () => send(() => to.end()));
  };
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    between(near, far);
    between(far, near);
  });
  server.listen(0, '127.0.0.1', () => process.send?.(server.address().port));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , port, microseconds] = process.argv;
  serve(Number(port), Number(microseconds) / 1000);
}
