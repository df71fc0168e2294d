import type { Source } from '../cache/view.ts';
import type { ReadWorkload } from '../kernel/operation.ts';
import { type Archived, type ArchivedRange, withoutFiles } from './archived.ts';

/** What the files contain of the ranges, and whether any file was read. */
export async function readArchived(
  ranges: readonly ArchivedRange[],
  _source: Source,
  _workload: ReadWorkload,
): Promise<{ archived: Archived; areFilesRead: boolean }> {
  return { archived: withoutFiles(ranges), areFilesRead: false };
}
