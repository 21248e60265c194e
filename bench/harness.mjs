/**
 * Measures contestants against a baseline on a machine that is not quiet: in every round each gets one sample, in changing order, and
 * what is reported is the median over the rounds of its time divided by the baseline's of the same round. Noise that lasts longer
 * than a round falls on both and cancels; shorter noise is outvoted. Decides nothing about what is measured.
 */

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {(operations: number) => Promise<unknown> | unknown} run does so many operations
 * @property {number} [size] how many each of them counts for, 1 by default
 * @property {() => unknown} [before] before each sample, not measured
 */

/** Milliseconds. */
const SAMPLE = 12;

/**
 * @param {readonly Contestant[]} contestants the first is the baseline
 * @param {{ rounds?: number, most?: number, sample?: number }} [options] `most`: operations of one sample at most; `sample`: its milliseconds
 * @returns {Promise<{ name: string, ns: number, best: number, ratio: number, spread: [number, number] }[]>} `spread`: quartiles of the ratio
 */
export async function compare(contestants, { rounds = 31, most = 1_000_000, sample: length = SAMPLE } = {}) {
  const prepared = [];
  for (const contestant of contestants) {
    const operations = await calibrate(contestant, most, length);
    prepared.push({ contestant, operations, times: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < prepared.length; turn++) {
      const { contestant, operations, times } = prepared[(round + turn) % prepared.length];
      times.push(await sample(contestant, operations));
    }
  }
  const [baseline] = prepared;
  return prepared.map(({ contestant, times }) => {
    const ratios = times.map((time, round) => time / baseline.times[round]);
    return {
      name: contestant.name,
      ns: median(times),
      best: Math.min(...times),
      ratio: median(ratios),
      spread: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    };
  });
}

/** Nanoseconds of one operation, or of each that it counts for. */
async function sample({ run, before, size = 1 }, operations) {
  await before?.();
  const start = process.hrtime.bigint();
  await run(operations);
  return Number(process.hrtime.bigint() - start) / operations / size;
}

/** Warms it up, and finds how many operations fill a sample. */
async function calibrate(contestant, most, length) {
  let operations = 1;
  for (let warm = 0; warm < 8; ) {
    const ms = ((await sample(contestant, operations)) * operations * (contestant.size ?? 1)) / 1e6;
    if (ms >= length / 2 || operations === most) warm++;
    const wanted = Math.ceil((operations * length) / Math.max(ms, 0.01));
    operations = Math.max(1, Math.min(most, wanted, operations * 10));
  }
  return operations;
}

export const median = (values) => quantile(values, 0.5);

export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at - Math.floor(at));
}
