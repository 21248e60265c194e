/** The part of `crowd` (`children.ts`) that runs in a child: many callers of one key at once, whose creator ends when `finished` does. */

/** Says `rest`, with all answers so far, as soon as all but the one who creates here, if any, have theirs. Answers with how many created. */
export async function callAsCrowd(region, { key, count, expirationTime }, { finished, send }) {
  const values = [];
  let creations = 0;
  const tellRest = () => {
    if (values.length === count - creations) send({ id: 'rest', answer: [...values] });
  };
  const create = async () => {
    creations++;
    tellRest();
    await finished;
    return `new of ${process.pid}`;
  };
  const calls = Array.from({ length: count }, async () => {
    values.push(await region.getOrCreate(key, create, { expirationTime }));
    tellRest();
  });
  await Promise.all(calls);
  return creations;
}
