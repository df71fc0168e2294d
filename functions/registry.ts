/** All domains. Infrastructure, documentation, and checks are derived from this list. */
import type { Domain } from '../shared/kernel/domain.ts';
import { collections } from './collections/domain.ts';
import { platform } from './platform/domain.ts';
import { portfolio } from './portfolio/domain.ts';
import { wallets } from './wallets/domain.ts';

export const domains: readonly Domain[] = [collections, wallets, portfolio, platform];
