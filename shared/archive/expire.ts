/** Deletes the files that are past their retention. */
import { inSession } from '../db/session.ts';
import { tiersSession } from '../db/tiers.ts';
import type { TieredTable } from '../kernel/table.ts';
import { log } from '../observability/log.ts';
import { type ArchiveOptions, defaultGraceMs } from './archive.ts';
import { nameOf } from './export.ts';
import { deleteFile } from './objects.ts';
import { monthOf, moveTo } from './state.ts';

const dayMs = 86_400_000;

/**
 * Lets readers forget the files of months that ended longer ago than their table keeps them, and deletes those that were
 * forgotten before the grace. Does nothing if the table keeps files for ever, or another run moves its months.
 *
 * @throws Unavailable  the database or S3 failed (retryable)
 */
export async function expireFiles(
  table: TieredTable,
  { now, graceMs = defaultGraceMs }: Pick<ArchiveOptions, 'now' | 'graceMs'>,
): Promise<void> {
  const { keptDays } = table.tiers;
  if (keptDays === undefined) return;
  const name = nameOf(table);
  await inSession(tiersSession(name), { lockMs: 20_000, statementMs: 60_000 }, async (session) => {
    const { rows: forgotten } = await session.query<{ month: string; key: string }>(
      `select month::text, key from platform.archives
       where name = $1 and state = 'expired' and changed_at <= now() - $2 * interval '1 millisecond'`,
      [name, graceMs],
    );
    for (const { month, key } of forgotten) {
      await deleteFile(key);
      await session.query('delete from platform.archives where name = $1 and month = $2', [name, month]);
      log.info('archived month deleted', { table: name, month, key });
    }
    const { rows: expired } = await session.query<{ month: string }>(
      `select month::text from platform.archives
       where name = $1 and state = 'dropped' and previous_key is null and month + interval '1 month' <= $2`,
      [name, new Date(now.getTime() - keptDays * dayMs)],
    );
    for (const { month } of expired) await moveTo(name, monthOf(month), 'expired');
  });
}
