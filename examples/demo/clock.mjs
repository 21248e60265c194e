/** One clock for all processes of the machine: monotonic, milliseconds, comparable between them. */
export function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}
