import { expect, test } from 'vitest';
import { keyIdOf } from '../../shared/http/keys.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call, database } = await createTestDomain('platform', { QUEUES: '{}' });
const create = async (name: string) => (await call('/v1/admin/keys', { method: 'POST', body: { name } })).json;

test('a key is issued, listed without its token, and refused once it is revoked', async () => {
  const [first, second] = [await create('Ada'), await create('Bob')];
  expect(first).toMatchObject({ name: 'Ada', revokedAt: null });
  const { token, ...shown } = second;
  const { text, json } = await call('/v1/admin/keys');
  expect(json.keys.map(({ id }: { id: string }) => id)).toEqual([second.id, first.id]);
  expect(json.keys[0]).toEqual(shown);
  expect(text).not.toContain(token.slice(31));
  expect(await keyIdOf(`Bearer ${token}`)).toBe(second.id);
  const revoked = (await call(`/v1/admin/keys/${second.id}`, { method: 'DELETE' })).json;
  expect(revoked).toMatchObject({ id: second.id, revokedAt: expect.any(String) });
  await expect(keyIdOf(`Bearer ${token}`)).rejects.toThrow('requires the key of an owner');
  expect(await keyIdOf(`Bearer ${first.token}`)).toBe(first.id);
  // again: the first time counts
  expect((await call(`/v1/admin/keys/${second.id}`, { method: 'DELETE' })).json).toEqual(revoked);
});

test('no token is stored, and the id of one key with the secret of another is refused', async () => {
  const [one, other] = [await create('one'), await create('other')];
  const { rows } = await database.pool.query('select k::text as row from platform.keys k');
  for (const { row } of rows) expect(row).not.toContain(one.token.slice(-43));
  await expect(keyIdOf(`Bearer ${one.token.slice(0, 31)}${other.token.slice(31)}`)).rejects.toThrow();
});

test('an unknown key cannot be revoked', async () => {
  expect((await call('/v1/admin/keys/01ARZ3NDEKTSV4RRFFQ69G5FAV', { method: 'DELETE' })).status).toBe(404);
});
