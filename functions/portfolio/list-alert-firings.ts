import sql, { empty } from 'sql-template-tag';
import * as z from 'zod';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { decodeCursor, encodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { alertOperations } from './alert-contract.ts';
import { type FiringJson, firingJson } from './alert-json.ts';
import { firingId } from './alert-shapes.ts';
import { isOwn, noSuchAlert } from './own-alert.ts';

/**
 * What an alert has fired, latest first. At most 200 per page.
 *
 * @throws NotFound      the key has no such alert
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listAlertFirings = respond(alertOperations.listAlertFirings, async ({ path, query: page }, { keyId }) => {
  const { limit, cursor } = page;
  const list = listId(alertOperations.listAlertFirings, { path });
  const [before] = cursor === undefined ? [undefined] : decodeCursor(cursor, list, z.tuple([firingId]));
  const rows = await query<{ firing: FiringJson | null }>(
    sql`select case when f.id is not null then ${firingJson} end as firing
        from portfolio.alerts a left join portfolio.alert_firings f
          on f.alert_id = a.id ${before === undefined ? empty : sql`and f.id < ${before}`}
        where ${isOwn(path.id, keyId)} order by f.id desc limit ${limit + 1}`,
    'alerts',
  );
  if (rows.length === 0) throw noSuchAlert(path.id);
  const firings = rows.slice(0, limit).flatMap(({ firing }) => firing ?? []);
  const last = firings.at(-1);
  return { firings, nextCursor: rows.length > limit && last ? encodeCursor(list, [last.id]) : null };
});
