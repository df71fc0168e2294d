import { createRoom } from './room.ts';

/** The collections room under test; its upstreams are not there unless the environment says where. */
export function createCollections(environment: Record<string, string> = {}) {
  return createRoom('collections', {
    ALCHEMY_BASE_URL: 'http://127.0.0.1:1',
    ALCHEMY_SECRET_ARN: 'alchemy',
    NEYNAR_BASE_URL: 'http://127.0.0.1:1',
    NEYNAR_SECRET_ARN: 'neynar',
    ...environment,
  });
}
