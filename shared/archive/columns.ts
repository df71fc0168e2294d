/**
 * The columns of archived files. Every type is one that Athena, DuckDB, and foreign tables over S3 can map.
 *
 * A `numeric` column becomes DECIMAL(18, scale) or DECIMAL(20 + scale, scale), with the smallest scale that holds the values of the
 * file. The scale is at most 18, and there are at most 20 digits before the point, so that one DECIMAL(38, 18) column can
 * read all files. A value beyond that is null in its column, and stands as text in another, `<column>_text`, which only
 * files that need it have.
 */
import type { SchemaElement } from 'hyparquet';
import { Integrity } from '../kernel/errors.ts';
import { archivedDecimal } from '../kernel/table.ts';

export const { scale: maxScale, overflowSuffix } = archivedDecimal;
export const maxWholeDigits = archivedDecimal.precision - archivedDecimal.scale;

/** The Postgres types that can be archived, by `format_type`. */
const kinds = {
  smallint: 'integer',
  integer: 'integer',
  bigint: 'bigint',
  boolean: 'boolean',
  text: 'text',
  numeric: 'decimal',
  'timestamp with time zone': 'time',
} as const;

type Kind = (typeof kinds)[keyof typeof kinds];

/** A column of a table. */
export interface TableColumn {
  name: string;
  type: string;
  isRequired: boolean;
}

/** How a column of a file is stored. Its values are numbers, bigints (times in microseconds, decimals unscaled), or text. */
export interface FileColumn {
  name: string;
  kind: Kind;
  isRequired: boolean;
  /** Of a decimal. */
  scale: number;
  /** A decimal of more than 18 digits. */
  isWide: boolean;
}

/** What the numeric columns of a month need, by name. */
export type DecimalNeeds = Readonly<Record<string, { scale: number; isWide: boolean; overflows: boolean }>>;

/** @throws Integrity  a column has a type that cannot be archived */
export function fileColumnsOf(columns: readonly TableColumn[], needs: DecimalNeeds): FileColumn[] {
  const own = columns.map(({ name, type, isRequired }): FileColumn => {
    const kind = (kinds as Record<string, Kind>)[type];
    if (!kind) throw new Integrity(`The column ${name} has the type ${type}, which cannot be archived.`);
    const { scale = 0, isWide = false, overflows = false } = needs[name] ?? {};
    return { name, kind, isRequired: isRequired && !overflows, scale, isWide };
  });
  const overflows = columns.filter(({ name }) => needs[name]?.overflows);
  return [
    ...own,
    ...overflows.map(
      ({ name }): FileColumn => ({
        name: `${name}${overflowSuffix}`,
        kind: 'text',
        isRequired: false,
        scale: 0,
        isWide: false,
      }),
    ),
  ];
}

/** Whether a column holds what does not fit another one. */
export function isOverflow(columns: readonly FileColumn[], { name }: Pick<FileColumn, 'name'>): boolean {
  return name.endsWith(overflowSuffix) && columns.some((one) => `${one.name}${overflowSuffix}` === name);
}

/** The Parquet schema of a file. Old and new annotations are both needed: DuckDB ignores a decimal without the old one. */
export function schemaOf(columns: readonly FileColumn[]): SchemaElement[] {
  return [{ name: 'root', num_children: columns.length }, ...columns.map(elementOf)] as SchemaElement[];
}

function elementOf({ name, kind, isRequired, scale, isWide }: FileColumn) {
  const common = { name, repetition_type: isRequired ? 'REQUIRED' : 'OPTIONAL' };
  switch (kind) {
    case 'integer':
      return { ...common, type: 'INT32' };
    case 'bigint':
      return { ...common, type: 'INT64' };
    case 'boolean':
      return { ...common, type: 'BOOLEAN' };
    case 'text':
      return { ...common, type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } };
    case 'time': {
      const logical = { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' };
      return { ...common, type: 'INT64', converted_type: 'TIMESTAMP_MICROS', logical_type: logical };
    }
    case 'decimal': {
      // not more than it may hold: DuckDB cuts the scales of files whose digits together exceed 38
      const precision = isWide ? maxWholeDigits + scale : 18;
      const physical = isWide ? { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16 } : { type: 'INT64' };
      const logical = { type: 'DECIMAL', precision, scale };
      return { ...common, ...physical, converted_type: 'DECIMAL', precision, scale, logical_type: logical };
    }
  }
}

/** The columns of a file that `schemaOf` described. @throws Integrity  it was not written by this archive */
export function columnsInSchema([, ...elements]: readonly SchemaElement[]): FileColumn[] {
  return elements.map((element): FileColumn => {
    const { name, type, converted_type: converted, scale = 0, repetition_type } = element;
    const kind = kindOf(type, converted);
    if (!kind) throw new Integrity(`The column ${name} of an archived file has an unknown type.`);
    const isWide = type === 'FIXED_LEN_BYTE_ARRAY';
    return { name, kind, isRequired: repetition_type === 'REQUIRED', scale, isWide };
  });
}

function kindOf(type?: string, converted?: string): Kind | undefined {
  if (converted === 'DECIMAL') return 'decimal';
  if (converted === 'TIMESTAMP_MICROS') return 'time';
  if (converted === 'UTF8') return 'text';
  return ({ INT32: 'integer', INT64: 'bigint', BOOLEAN: 'boolean' } as Record<string, Kind>)[type ?? ''];
}
