import { type CsvError, type InfoRecord, parse } from 'csv-parse';
import { InvalidInput } from '../kernel/errors.ts';
import { columnsNamed } from './columns.ts';
import { checkedRecord, type FileRecord, maxRecordBytes, rejectedRecord, type TextRecord } from './record.ts';
import type { RecordOptions } from './records.ts';

/**
 * The records of CSV, whose first line names the columns. A record with too few or too many fields is rejected alone.
 *
 * @throws InvalidInput  the header is missing or invalid, a quote is stray or unclosed, or a record is too long
 */
export async function* csvRecords(
  text: AsyncIterable<Buffer>,
  { aliases, checkColumns }: RecordOptions,
): AsyncIterable<FileRecord[]> {
  let columns: string[] | undefined;
  for await (const lines of linesOf(text)) {
    if (lines.length > 0 && !columns) {
      columns = columnsNamed(lines.shift()!.fields, aliases);
      checkColumns(columns);
    }
    yield lines.map(({ fields, number }) => recordOf(columns!, fields, number));
  }
  if (!columns) throw new InvalidInput('The file is empty. Its first line must name the columns.');
}

interface Line {
  fields: string[];
  /** Its last line in the file, from 1. */
  number: number;
}

/** The lines that end in each chunk. */
async function* linesOf(text: AsyncIterable<Buffer>): AsyncIterable<Line[]> {
  let lines: Line[] = [];
  let last = { bytes: 0, lines: 0 };
  const parser = parse({
    relax_column_count: true,
    skip_empty_lines: true,
    record_delimiter: ['\n', '\r\n', '\r'],
    max_record_size: maxRecordBytes,
    on_record: (fields: unknown, info: InfoRecord) => {
      last = { bytes: info.bytes, lines: info.lines };
      lines.push({ fields: fields as string[], number: info.lines });
      // collected here: a stream of records costs more than the parsing
      return null;
    },
  });
  parser.on('error', () => {}).resume();
  const settled = (start: (done: (error?: Error | null) => void) => void) =>
    new Promise<void>((resolve, reject) => {
      start((error) => (error ? reject(lineError(error, last.lines)) : resolve()));
    });
  const taken = () => {
    const complete = lines;
    lines = [];
    return complete;
  };
  let given = 0;
  for await (const chunk of text) {
    // the parser's own limit does not count separators
    if (given - last.bytes > maxRecordBytes) throw tooLong(last.lines);
    given += chunk.length;
    await settled((done) => parser.write(chunk, done));
    yield taken();
  }
  await settled((done) => parser.end(done));
  yield taken();
}

function recordOf(columns: string[], fields: string[], line: number): FileRecord {
  if (fields.length !== columns.length)
    return rejectedRecord(line, `has ${fields.length} fields; the header has ${columns.length}`, fields);
  const record: TextRecord = {};
  for (let i = 0; i < columns.length; i++) if (fields[i] !== '') record[columns[i]!] = fields[i]!;
  return checkedRecord(line, record);
}

function lineError(cause: Error, lastLine: number): Error {
  const { code = '', lines } = cause as CsvError & { code?: string; lines?: number };
  if (code === 'CSV_MAX_RECORD_SIZE') return tooLong(lastLine);
  if (code === 'CSV_QUOTE_NOT_CLOSED')
    return new InvalidInput(
      `The file ends within quotes that open after line ${lastLine}. Close them, or double a quote that is meant as text.`,
      [],
      { cause },
    );
  if (!/^(CSV_)?INVALID_/.test(code)) return cause;
  const advice = 'Put the field in quotes, and double each quote within.';
  return new InvalidInput(`Line ${lines} of the file has a stray quote. ${advice}`, [], { cause });
}

function tooLong(lastLine: number): InvalidInput {
  return new InvalidInput(
    `The record after line ${lastLine} is longer than ${maxRecordBytes} bytes, the limit. Check its quotes, or split it.`,
  );
}
