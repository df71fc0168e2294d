/** How the upstreams of the soak misbehave, each between the client and a stand-in that does not. */
import type { UpstreamProxy } from '../local/upstreams/proxy.ts';
import type { SnowflakeStandIn } from '../local/upstreams/snowflake.ts';
import { createRandom } from '../local/upstreams/world.ts';

/** The contract that always fails. */
export const sickContract = `0x${'5c'.repeat(20)}`;
export const isMalformed = (fid: number) => fid % 100 === 0;
/** Of a date in the future, as Snowflake writes it. */
export const futureSeconds = '4102444800.000000';

const random = createRandom(10);
const daySeconds = 86_400;

/** Alchemy: a contract that always fails, a closed operation, expired page keys, cut answers, and odd tokens. */
export function disturbChain(proxy: UpstreamProxy): void {
  proxy.intervene = async ({ path, body }, pass) => {
    const asked = `${path} ${JSON.stringify(body ?? '')}`;
    if (asked.includes(sickContract)) return { status: 400, json: { error: { message: 'no such contract' } } };
    if (path.includes('getContractsForOwner'))
      return { status: 429, headers: { 'retry-after': String(daySeconds) }, json: {} };
    if (body?.params?.[0]?.pageKey && random() < 0.1)
      return { status: 200, json: { jsonrpc: '2.0', id: 1, error: { code: -32_602, message: 'invalid pageKey' } } };
    const reply = await pass();
    if (random() < 0.03) return { ...reply, isCut: true };
    for (const nft of reply.json?.nfts ?? []) {
      if (Number(nft.tokenId) % 997 === 3)
        nft.raw.metadata.attributes.push({ trait_type: 'Poem\0', value: 'x'.repeat(600) });
      if (Number(nft.tokenId) % 997 === 4) nft.name = 'a\0b';
    }
    return reply;
  };
}

/** Neynar: one malformed user in a hundred, and cut answers. */
export function disturbUsers(proxy: UpstreamProxy): void {
  proxy.intervene = async (_, pass) => {
    const reply = await pass();
    if (random() < 0.05) return { ...reply, isCut: true };
    for (const user of reply.json.users ?? [])
      if (isMalformed(user.fid)) user.verified_addresses.eth_addresses = ['not an address'];
    return reply;
  };
}

/** Snowflake: a date in the future in each table, a name with NUL, and cut answers. */
export function disturbWarehouse(proxy: UpstreamProxy, { behavior, world }: SnowflakeStandIn): void {
  behavior.change = (table, row, place) => {
    const columns = world.tables.get(table)!.columns.map(({ name }) => name);
    const changed = [...row];
    if (place === 17 && columns.includes('UPDATED_AT')) changed[columns.indexOf('UPDATED_AT')] = futureSeconds;
    if (place === 5 && columns.includes('DISPLAY_NAME')) changed[columns.indexOf('DISPLAY_NAME')] = 'a\0b';
    return changed;
  };
  proxy.intervene = async (_, pass) => {
    const reply = await pass();
    return random() < 0.05 ? { ...reply, isCut: true } : reply;
  };
}
