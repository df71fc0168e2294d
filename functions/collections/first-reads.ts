import { getRedis } from '../../shared/resources.ts';
import { type Budget, createBudget } from '../../shared/upstream/budget.ts';

let budgets: Promise<{ perClient: Budget; overall: Budget }> | undefined;

/**
 * Takes one first read from two budgets, the client's and that of all clients. A first read is fetched from upstream,
 * because it asks for something that is not stored yet.
 *
 * @throws RateLimited  one of the two budgets is exhausted
 */
export async function takeFirstRead(clientIp: string): Promise<void> {
  budgets ??= getRedis().then(({ redis }) => ({
    perClient: createBudget({ redis, name: 'first-reads-of-a-client', points: 10, perSeconds: 60 }),
    overall: createBudget({ redis, name: 'first-reads', points: 100, perSeconds: 60 }),
  }));
  budgets.catch(() => {
    budgets = undefined;
  });
  const { perClient, overall } = await budgets;
  await perClient.take(clientIp);
  await overall.take('all');
}
