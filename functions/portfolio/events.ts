/** The events of the portfolio domain. The triggers of its tables write them in the transaction of the change. */
import { defineEvents } from '../../shared/kernel/event.ts';

export const events = defineEvents({
  tokenChanged: {
    summary: 'Tokens were added, or their names changed.',
    entities: ['tokens:{id}', 'token-list:all'],
  },
  priceRecorded: {
    summary: 'Prices of tokens were recorded.',
    entities: ['tokens:{id}', 'token-prices:all'],
  },
  balanceChanged: {
    summary: 'Balances of wallets changed, or wallets were added.',
    entities: ['portfolios:{wallet}', 'portfolio-list:all'],
  },
  positionChanged: {
    summary: 'Positions or governance locks of wallets changed.',
    entities: ['portfolios:{wallet}'],
  },
  portfolioValued: {
    summary: 'Values or risk figures of wallets were recorded.',
    entities: ['portfolios:{wallet}'],
  },
  firingsQueued: {
    summary: 'Alerts fired, or a firing that could not be delivered is to be sent again.',
    entities: ['alerts:{id}'],
  },
  correlationsComputed: {
    summary: 'The correlations of assets were computed.',
    entities: ['asset-correlations:all'],
  },
});
