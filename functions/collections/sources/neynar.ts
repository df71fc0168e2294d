/** A client for Neynar: Farcaster users by id and by address. Responses are validated. */
import * as z from 'zod';
import { address } from '../../../shared/kernel/address.ts';
import { NotFound, Upstream } from '../../../shared/kernel/errors.ts';
import { type Connection, connectUpstream } from '../../../shared/upstream/client.ts';
import { neynar } from '../../upstreams/neynar.ts';
import type { UserRecord } from '../record-users.ts';

export interface Neynar {
  /** The users with these ids, at most 100. Unknown ids are left out. */
  getUsers(fids: readonly number[]): Promise<UserRecord[]>;
  /** The users who have verified one of these addresses, at most 350. */
  getUsersByWallets(wallets: readonly string[]): Promise<UserRecord[]>;
}

const user = z.object({
  fid: z.number().int().positive(),
  username: z.string().nullish(),
  display_name: z.string().nullish(),
  pfp_url: z.string().nullish(),
  custody_address: z.string().nullish(),
  verified_addresses: z.object({ eth_addresses: z.array(address).nullish() }).nullish(),
});

/** The Neynar client of this container. */
export function getNeynar(): Promise<Neynar> {
  return connectUpstream(neynar, createNeynar);
}

/** Creates a Neynar client. */
export function createNeynar({ baseUrl, credentials, request }: Connection<typeof neynar>): Neynar {
  const get = async <T>(
    operation: string,
    query: Record<string, string>,
    schema: z.ZodType<T>,
  ): Promise<T | undefined> => {
    const url = `${baseUrl}/v2/farcaster/user/${operation}/?${new URLSearchParams(query)}`;
    const found = await request({ operation, url, headers: { 'x-api-key': (await credentials()).apiKey } }).catch(
      (error: unknown) => {
        if (error instanceof NotFound) return undefined;
        throw error;
      },
    );
    if (found === undefined) return undefined;
    const parsed = schema.safeParse(found);
    if (!parsed.success) throw new Upstream(`neynar ${operation}: unexpected response.`);
    return parsed.data;
  };
  return {
    async getUsers(fids) {
      const found = await get('bulk', { fids: fids.join(',') }, z.object({ users: z.array(user) }));
      return (found?.users ?? []).map(toUser);
    },
    async getUsersByWallets(wallets) {
      const found = await get('bulk-by-address', { addresses: wallets.join(',') }, z.record(z.string(), z.array(user)));
      const users = new Map(Object.values(found ?? {}).flatMap((list) => list.map((one) => [one.fid, toUser(one)])));
      return [...users.values()];
    },
  };
}

function toUser(one: z.output<typeof user>): UserRecord {
  return {
    fid: one.fid,
    username: one.username ?? null,
    displayName: one.display_name ?? null,
    imageUrl: one.pfp_url ?? null,
    wallets: [...new Set(one.verified_addresses?.eth_addresses ?? [])],
  };
}
