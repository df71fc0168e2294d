/** A record of a file: strings by column, without empty fields. */
export type TextRecord = Record<string, string>;

/** A record with its line (CSV) or number, from 1; or the reason why it is invalid. */
export type FileRecord =
  | { position: number; record: TextRecord; length: number }
  | { position: number; reason: string; raw: unknown; length: number };

/** The characters of a field at most: a `data:` URL of an image fits. */
export const maxFieldLength = 256 * 1024;
/** The columns of a file at most. */
export const maxColumns = 1_000;
/** The bytes of a line of NDJSON or a record of CSV at most. */
export const maxRecordBytes = 1024 * 1024;

/** The characters of a field that are listed with a rejected record. */
const listedLength = 1_000;

/** The record, unless the database could not store one of its fields as it is. */
export function checkedRecord(position: number, record: TextRecord): FileRecord {
  let length = 0;
  let columns = 0;
  for (const column in record) {
    const field = record[column]!;
    length += column.length + field.length;
    const reason =
      ++columns > maxColumns ? `has more than ${maxColumns} columns` : (reasonAgainst(column) ?? reasonAgainst(field));
    if (reason !== undefined)
      return rejectedRecord(position, columns > maxColumns ? reason : `${excerpt(column)} ${reason}`, record);
  }
  return { position, record, length };
}

/** A rejected record. Its long fields are cut. */
export function rejectedRecord(position: number, reason: string, raw: unknown): FileRecord {
  const listed = listedOf(raw);
  return { position, reason, raw: listed, length: JSON.stringify(listed).length };
}

function reasonAgainst(text: string): string | undefined {
  if (text.length > maxFieldLength) return `has more than ${maxFieldLength} characters`;
  if (text.includes('\0')) return 'contains a NUL character, which cannot be stored';
  if (!text.isWellFormed()) return 'contains half of a surrogate pair, which cannot be stored';
  return undefined;
}

/** The parts of a raw record that are worth listing. */
function listedOf(raw: unknown): unknown {
  if (typeof raw === 'string') return excerpt(raw);
  if (Array.isArray(raw)) return raw.slice(0, maxColumns).map(listedOf);
  if (typeof raw !== 'object' || raw === null) return raw;
  const entries = Object.entries(raw).slice(0, maxColumns);
  return Object.fromEntries(entries.map(([column, field]) => [excerpt(column), listedOf(field)]));
}

function excerpt(text: string): string {
  return text.length > listedLength ? `${text.slice(0, listedLength)}…` : text;
}
