import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import type { OperationResponse } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';

/**
 * The status of an event, with times: committed with its change, published, and applied or failed by each consumer.
 *
 * @throws NotFound  there is no such event, or it was deleted after its retention
 */
export const getEvent = respond(operations.getEvent, async ({ path }) => {
  const [row] = await query<{ event: OperationResponse<typeof operations.getEvent> }>(
    sql`select jsonb_build_object(
          'id', o.id::text, 'type', o.type, 'entities', o.entities, 'xid', o.xid::text,
          'status', case when bool_or(d.status = 'failed') then 'failed' when count(d.consumer) > 0 then 'applied'
                         when o.published_at is not null then 'published' else 'committed' end,
          'correlationId', o.correlation_id, 'committedAt', platform.iso(o.created_at), 'publishedAt', platform.iso(o.published_at),
          'deliveries', coalesce(jsonb_agg(jsonb_build_object('consumer', d.consumer, 'status', d.status, 'attempts', d.attempts,
            'error', d.error, 'at', platform.iso(d.at)) order by d.consumer) filter (where d.consumer is not null), '[]')) as event
        from platform.outbox o left join platform.event_deliveries d on d.event_id = o.id
        where o.id = ${path.id}::bigint
        group by o.id, o.type, o.entities, o.xid, o.correlation_id, o.created_at, o.published_at`,
    'sync',
  );
  if (!row) throw new NotFound(`Unknown event ${path.id}. Events are deleted two weeks after they were published.`);
  return row.event;
});
