import * as z from 'zod';
import type { Changed } from '../db/changed.ts';
import type { Transaction } from '../db/transaction.ts';
import { openObject, replaced, type StoredObject } from '../files/object.ts';
import type { FileRecord } from '../files/record.ts';
import { readRecords } from '../files/records.ts';
import type { DatasetDeclaration } from '../kernel/dataset.ts';
import { InvalidInput } from '../kernel/errors.ts';
import { columnsOf, takesOtherColumns } from './columns.ts';
import type { Run } from './job.ts';
import { type Batch, runSync } from './sync.ts';

/** How the rows of a dataset are applied. */
interface RowHandling<Row> {
  apply(tx: Transaction, rows: Row[], jobId: string): Promise<Changed>;
  /** Runs after the last batch, in its own transaction: for changes that depend on the whole file. */
  finish?(tx: Transaction, jobId: string): Promise<Changed | undefined>;
}

/** A dataset and how its rows are applied. */
// biome-ignore lint/suspicious/noExplicitAny: importFile parses the rows by the dataset's own schema
export interface DatasetHandler<Key extends string = string> extends RowHandling<any> {
  dataset: DatasetDeclaration<Key>;
}

/** Defines how the rows of a dataset are applied. They arrive parsed and normalized. */
export function handleDataset<Dataset extends DatasetDeclaration>(
  dataset: Dataset,
  handling: RowHandling<z.output<Dataset['row']>>,
): DatasetHandler<Dataset['key']> {
  return { dataset, ...handling };
}

export interface UploadedFile {
  bucket: string;
  key: string;
  /** The ETag of the uploaded version, without quotes. Undefined: the version that is current when the import begins. */
  etag?: string | undefined;
}

/** Where an import goes on: after how many records of which version of the file. */
interface Position {
  records: number;
  /** Undefined in checkpoints of older releases. */
  etag?: string;
}

type Row = Record<string, unknown>;

const batchSize = 2_000;
/** The characters of a batch at most, so that long records do not add up. */
const batchLength = 8 * 1024 * 1024;

/**
 * Imports a file from the imports bucket: applies the valid rows, and lists the invalid ones with reasons.
 *
 * Columns in the object's metadata `set` (JSON) are added to every row. The header must match the dataset.
 *
 * An import reads one version of a file. If the file is replaced meanwhile, the import fails; the notice of the new version
 * starts another one.
 *
 * @throws InvalidInput  the file as a whole is invalid: its format or header is wrong, it is truncated, exceeds a limit, or
 *                       was replaced
 * @throws Unavailable   the file could not be read to its end (retryable; resumes from the checkpoint)
 * @throws Integrity     too many of its rows were rejected
 */
export async function importFile(handler: DatasetHandler, file: UploadedFile, run: Run): Promise<'done' | 'continue'> {
  // opened before the sync, so that a version that is gone does not cost the next one its checkpoint
  const object = await openObject(file.bucket, file.key, file.etag);
  return runSync<Row, Batch<Row>>(
    {
      name: `import:${file.key}`,
      read: (position) => readBatches(handler, file, object, position as Position | null),
      apply: async (tx, rows) =>
        rows.length === 0 ? { applied: 0, unchanged: 0 } : handler.apply(tx, rows, run.jobId),
      finish: async (tx) => handler.finish?.(tx, run.jobId),
    },
    run,
  );
}

async function* readBatches(
  handler: DatasetHandler,
  file: UploadedFile,
  object: StoredObject,
  position: Position | null,
): AsyncIterable<Batch<Row>> {
  const goesOn = position !== null && (position.etag ?? object.etag) === object.etag;
  // the checkpoint that an import finds may be another version's, unless the import does not know its own
  if (position && !goesOn && file.etag === undefined) throw replaced(file.key);
  const skip = goesOn ? position.records : 0;
  const given = fixedColumns(handler.dataset, object);
  const { aliases = {} } = handler.dataset;
  const checkColumns = (columns: string[]) => assertColumns(handler.dataset, columns, given);
  let [batch, length, records] = [emptyBatch(), 0, skip];
  const next = (): Position => ({ records, etag: object.etag });
  for await (const some of readRecords(file.key, object, { aliases, checkColumns, skip })) {
    for (const one of some) {
      records++;
      length += one.length;
      add(batch, one, handler, given);
      if (batch.rows.length + batch.rejected.length < batchSize && length < batchLength) continue;
      yield { ...batch, next: next(), percent: object.percent() };
      [batch, length] = [emptyBatch(), 0];
    }
  }
  if (batch.rows.length + batch.rejected.length > 0) yield { ...batch, next: next(), percent: object.percent() };
}

type FileBatch = Batch<Row> & { positions: number[] };

const emptyBatch = (): FileBatch => ({ rows: [], positions: [], rejected: [], next: null });

function add(batch: FileBatch, one: FileRecord, handler: DatasetHandler, given: Record<string, string>): void {
  if ('reason' in one) {
    batch.rejected.push({ position: one.position, reason: one.reason, row: one.raw });
    return;
  }
  const parsed = handler.dataset.row.safeParse({ ...given, ...one.record });
  if (parsed.success) {
    batch.rows.push(parsed.data as Row);
    batch.positions.push(one.position);
  } else batch.rejected.push({ position: one.position, reason: reasonOf(parsed.error), row: one.record });
}

function reasonOf(error: z.ZodError): string {
  return error.issues
    .map((issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown: ${issue.keys.join(', ')}`
        : `${issue.path.join('.')} ${issue.message}`,
    )
    .join('; ');
}

const jsonObject = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('must be JSON');
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string(), z.string()));

function fixedColumns({ name, settable }: DatasetDeclaration, { metadata }: StoredObject): Record<string, string> {
  const given = jsonObject.safeParse(metadata.set ?? '{}');
  if (!given.success) throw new InvalidInput('The metadata `set` is invalid. It must be a JSON object of strings.');
  const unknown = Object.keys(given.data).find((column) => !settable.includes(column));
  if (unknown !== undefined)
    throw new InvalidInput(`${name} does not take --set ${unknown}. Allowed: ${settable.join(', ') || 'none'}.`);
  return given.data;
}

function assertColumns(declaration: DatasetDeclaration, columns: string[], given: Record<string, string>): void {
  const known = columnsOf(declaration);
  const duplicate = columns.find((column) => column in given);
  if (duplicate !== undefined)
    throw new InvalidInput(`The file already has the column ${duplicate}. Remove --set ${duplicate}.`);
  const missing = known.filter(({ name, required }) => required && !columns.includes(name) && !(name in given));
  if (missing.length > 0) {
    const names = missing.map(({ name }) =>
      declaration.settable.includes(name) ? `${name} (or --set ${name}=…)` : name,
    );
    throw new InvalidInput(`The file is missing columns: ${names.join(', ')}.`);
  }
  const unknown = columns.filter((column) => !known.some(({ name }) => name === column));
  if (unknown.length > 0 && !takesOtherColumns(declaration)) {
    throw new InvalidInput(`Unknown columns for ${declaration.name}: ${unknown.join(', ')}. Remove them.`);
  }
}
