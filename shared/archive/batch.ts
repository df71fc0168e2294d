/** Rows by column: `batch[column][row]`. Null is a missing value. */
export type Batch = unknown[][];

/** A stream of rows in the order of their key, the series and the time: the first two of the key's columns. */
export type Batches = AsyncIterable<Batch>;

export interface Key {
  series: number;
  time: number;
}

export function rowsIn(batch: Batch): number {
  return batch[0]?.length ?? 0;
}

/** Less than zero if row `i` of `a` comes before row `j` of `b`. */
export function compareKeys({ series, time }: Key, a: Batch, i: number, b: Batch, j: number): number {
  const bySeries = Number(a[series]![i]) - Number(b[series]![j]);
  return bySeries !== 0 ? bySeries : Number((a[time]![i] as bigint) - (b[time]![j] as bigint));
}

/** The rows of both streams in order. Of two rows with one key, that of `over` stays. Batches are of `size` rows. */
export async function* merged(over: Batches, under: Batches, key: Key, size: number): Batches {
  const [a, b] = [new Reader(over), new Reader(under)];
  await Promise.all([a.fill(), b.fill()]);
  let out: Batch | undefined;
  while (!a.isDone || !b.isDone) {
    const order = a.isDone ? 1 : b.isDone ? -1 : compareKeys(key, a.batch, a.at, b.batch, b.at);
    const from = order <= 0 ? a : b;
    out ??= from.batch.map(() => []);
    for (const [i, column] of from.batch.entries()) out[i]!.push(column[from.at]);
    if (order <= 0) await a.step();
    if (order >= 0) await b.step();
    if (rowsIn(out) < size) continue;
    yield out;
    out = undefined;
  }
  if (out) yield out;
}

class Reader {
  batch: Batch = [];
  at = 0;
  isDone = false;
  readonly #batches: AsyncIterator<Batch>;

  constructor(batches: Batches) {
    this.#batches = batches[Symbol.asyncIterator]();
  }

  async fill(): Promise<void> {
    while (!this.isDone && this.at >= rowsIn(this.batch)) {
      const { value, done } = await this.#batches.next();
      this.isDone = done === true;
      this.batch = done ? [] : value;
      this.at = 0;
    }
  }

  async step(): Promise<void> {
    this.at++;
    if (this.at >= rowsIn(this.batch)) await this.fill();
  }
}
