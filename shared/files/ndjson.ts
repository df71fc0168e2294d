import type { Aliases } from './columns.ts';
import { linesOf } from './lines.ts';
import { checkedRecord, type FileRecord, maxRecordBytes, rejectedRecord, type TextRecord } from './record.ts';

const maxDepth = 32;

/** The records of NDJSON: one object a line. Blank lines count as lines. A line that is invalid is rejected alone. */
export async function* ndjsonRecords(
  text: AsyncIterable<Buffer>,
  { aliases }: { aliases: Aliases },
): AsyncIterable<FileRecord[]> {
  let position = 0;
  for await (const lines of linesOf(text)) {
    const records: FileRecord[] = [];
    for (const line of lines) {
      position++;
      if (line === undefined)
        records.push(rejectedRecord(position, `is longer than ${maxRecordBytes} bytes. Split it`, null));
      else if (line.trim() !== '') records.push(recordOf(position, line, aliases));
    }
    yield records;
  }
}

function recordOf(position: number, line: string, aliases: Aliases): FileRecord {
  let value: unknown;
  try {
    // numbers keep all their digits: a token id does not fit a double
    value = JSON.parse(line, (_, inner, context?: { source?: string }) =>
      typeof inner === 'number' ? (context?.source ?? String(inner)) : inner,
    );
  } catch (error) {
    return rejectedRecord(position, error instanceof RangeError ? tooDeep : 'is not JSON', line);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return rejectedRecord(position, 'is not an object', line);
  const record: TextRecord = {};
  for (const [column, field] of Object.entries(value)) {
    if (field === null || field === '') continue;
    if (typeof field === 'object' && isDeeper(field, maxDepth - 1)) return rejectedRecord(position, tooDeep, line);
    record[column] = typeof field === 'object' ? JSON.stringify(field) : String(field);
  }
  for (const alias in aliases) {
    const column = aliases[alias]!;
    if (record[alias] === undefined || record[column] !== undefined) continue;
    record[column] = record[alias];
    delete record[alias];
  }
  return checkedRecord(position, record);
}

const tooDeep = `is nested deeper than ${maxDepth} levels`;

function isDeeper(value: object, levels: number): boolean {
  if (levels === 0) return true;
  return Object.values(value).some((one) => typeof one === 'object' && one !== null && isDeeper(one, levels - 1));
}
