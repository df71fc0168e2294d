/** The domains: one line each. Infrastructure, documentation and checks derive everything else from these. */
import { collections } from './collections/domain.ts';
import { platform } from './platform/domain.ts';
import { wallets } from './wallets/domain.ts';

export const domains = [collections, wallets, platform] as const;
