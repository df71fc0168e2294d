import pg from 'pg';
import { measure, reads } from './reads.ts';
const client = new pg.Client({ host: '127.0.0.1', port: Number(process.env.LAB), database: 'postgres', user: 'owner', password: 'owner' });
await client.connect();
const pattern = new RegExp(process.argv[2] ?? '');
await measure(client, reads.filter(({ endpoint, path, query }) => pattern.test(`${endpoint.operation.operationId} ${Object.values(path)} ${query}`)));
await client.end();
