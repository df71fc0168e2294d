import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';
import { heldCollection } from './held-collections.ts';

/**
 * The collections held by all the wallets of a Farcaster user, most tokens first. At most 500.
 *
 * A change to the user's wallets, or to what they hold, shows at once.
 *
 * @throws NotFound  the user is unknown
 */
export const listUserCollections = read(operations.listUserCollections, {
  statement: ({ path }) => sql`
    select jsonb_build_object(
        'fid', u.fid,
        'wallets', coalesce((select jsonb_agg('0x' || encode(w.wallet, 'hex') order by w.wallet)
                             from collections.fc_user_wallets w where w.fid = u.fid), '[]'),
        'collections', coalesce((
          select jsonb_agg(${heldCollection} order by h.token_count desc, c.id)
          from (
            select s.collection_id, sum(s.token_count) as token_count, sum(s.amount) as amount, max(s.last_owned_at) as last_owned_at
            from collections.fc_user_wallets w join collections.user_collections s on s.user_address = w.wallet
            where w.fid = u.fid group by s.collection_id order by 2 desc, 1 limit 500
          ) as h join collections.collections c on c.id = h.collection_id), '[]')
      )::text as body
    from collections.fc_users u where u.fid = ${path.fid}::bigint`,
});
