import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';
import { editionNamed } from './edition-named.ts';
import { editionJson, editionStats } from './edition-stats.ts';

/**
 * One edition: its play, supply, holders, prices, and sales.
 *
 * Counts and prices are as of the snapshot's last refresh. A change, or a refresh of the edition, shows at once.
 *
 * @throws NotFound  there is no such edition
 */
export const getEdition = read(operations.getEdition, {
  statement: ({ path }) => sql`
    with stats as (${editionStats})
    select (${editionJson} || jsonb_build_object(
        'category', e.category, 'season', e.season, 'momentAt', platform.iso(e.moment_at),
        'play', coalesce(p.details, '{}')))::text as body,
      s.updated_at as as_of, s.live
    from wallets.editions e
      left join stats s on s.edition_id = e.id
      left join wallets.plays p on p.id = e.play_id
    where ${editionNamed(path.id)}`,
});
