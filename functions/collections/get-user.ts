import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';
import { fetchUser } from './fetch-user.ts';

/**
 * A Farcaster user and the wallets known to be theirs. One that nobody has asked for yet is fetched first.
 *
 * Fresh: a change hides the cached answer at once.
 *
 * @throws NotFound     nobody knows the user (remembered for 30 seconds)
 * @throws RateLimited  the user would have to be fetched, and the budget for that is used up
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
