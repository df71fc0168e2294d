/** The collections room's work outside requests. */
import * as z from 'zod';
import { address } from '../../shared/kernel/address.ts';
import type { JobDeclaration } from '../../shared/kernel/declaration.ts';

export const loadCollection: JobDeclaration = {
  name: 'loadCollection',
  summary: 'Fetches metadata, tokens, traits, owners and new transfers of one collection, then warms its views.',
  params: z.strictObject({ address }),
};

export const syncTransfers: JobDeclaration = {
  name: 'syncTransfers',
  summary: 'Catches up on the transfers of every complete collection, in case a webhook was missed.',
  params: z.strictObject({}),
  schedule: 'rate(15 minutes)',
  keepsDatabaseAwake: true,
};

export const verifyOwnership: JobDeclaration = {
  name: 'verifyOwnership',
  summary: 'Holds the owners that were verified longest ago against upstream, and corrects what has drifted.',
  params: z.strictObject({}),
  schedule: 'rate(6 hours)',
};

export const syncUsers: JobDeclaration = {
  name: 'syncUsers',
  summary: 'Refreshes the Farcaster users of the wallets that hold something, oldest first.',
  params: z.strictObject({}),
  schedule: 'rate(12 hours)',
};

export const loadUser: JobDeclaration = {
  name: 'loadUser',
  summary: 'Fetches one Farcaster user and the collections of their wallets.',
  params: z.strictObject({ fid: z.string().regex(/^[1-9]\d{0,14}$/) }),
};

export const warmPopular: JobDeclaration = {
  name: 'warmPopular',
  summary: 'Loads the views of the most read collections, off-peak.',
  params: z.strictObject({}),
  schedule: 'cron(0 4 * * ? *)',
};
