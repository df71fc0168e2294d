import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';
import { fetchUser } from './fetch-user.ts';

/**
 * A Farcaster user and their known wallets. A user who is not stored yet is fetched first.
 *
 * A change shows at once.
 *
 * @throws NotFound     the user is unknown (remembered for 30 seconds)
 * @throws RateLimited  the user must be fetched, and the budget for that is exhausted
 * @source Neynar user/bulk, or the import `collections.users`
 */
export const getUser = read(operations.getUser, {
  statement: ({ path }) => sql`
    select jsonb_build_object(
        'fid', u.fid, 'username', u.username, 'displayName', u.display_name, 'imageUrl', u.image_url,
        'wallets', coalesce((select jsonb_agg('0x' || encode(w.wallet, 'hex') order by w.wallet)
                             from collections.fc_user_wallets w where w.fid = u.fid), '[]'),
        'updatedAt', platform.iso(u.updated_at)
      )::text as body, u.updated_at as as_of
    from collections.fc_users u where u.fid = ${path.fid}::bigint`,
  fetchMissing: ({ path }, request) => fetchUser(path.fid, request),
});
