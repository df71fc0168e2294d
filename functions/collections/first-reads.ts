import { getRedis } from '../../shared/resources.ts';
import { type Budget, createBudget } from '../../shared/upstream/budget.ts';

let budgets: Promise<{ perClient: Budget; forAll: Budget }> | undefined;

/**
 * Takes from what a client, and all clients together, may make us fetch by asking for what nobody asked for before.
 *
 * @throws RateLimited  one of the two budgets is exhausted
 */
export async function takeFirstRead(clientIp: string): Promise<void> {
  budgets ??= getRedis().then(({ redis }) => ({
    perClient: createBudget({ redis, name: 'first-reads-of-a-client', points: 10, perSeconds: 60 }),
    forAll: createBudget({ redis, name: 'first-reads', points: 100, perSeconds: 60 }),
  }));
  const { perClient, forAll } = await budgets;
  await perClient.take(clientIp);
  await forAll.take('all');
}
