import type { Endpoint } from '../../shared/http/endpoint.ts';
import type { OperationInput } from '../../shared/kernel/operation.ts';
import { getCollection } from './get-collection.ts';
import { getTraits } from './get-traits.ts';
import { listHolders } from './list-holders.ts';
import { listNfts } from './list-nfts.ts';

/** The views that a front end requests first when it opens a collection. */
const firstViews: readonly Endpoint[] = [getCollection, listNfts, getTraits, listHolders];

/** Loads the metadata, first tokens, traits, and holders of a collection into the cache. */
export async function warmCollection(address: string): Promise<void> {
  for (const endpoint of firstViews) await warm(endpoint, { address });
}

/** Calls an operation as a client would, with default parameters. */
async function warm({ operation, handle }: Endpoint, path: Record<string, string>): Promise<void> {
  const input = { path: operation.pathParameters.parse(path), query: operation.query.parse({}), body: undefined };
  const deadline = new Date(Date.now() + 10_000);
  await handle(input as OperationInput<typeof operation>, {
    headers: {},
    rawBody: Buffer.alloc(0),
    clientIp: 'warming',
    deadline,
  });
}
