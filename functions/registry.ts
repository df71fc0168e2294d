/** The domains, one line each. Infrastructure, documentation and checks derive everything else from these. */
import type { Domain } from '../shared/kernel/domain.ts';
import { collections } from './collections/domain.ts';
import { platform } from './platform/domain.ts';
import { wallets } from './wallets/domain.ts';

export const domains: readonly Domain[] = [collections, wallets, platform];
