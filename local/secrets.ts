import { createServer } from 'node:http';

export interface Secrets {
  url: string;
  stop(): Promise<void>;
}

/** Secrets Manager's GetSecretValue on this machine, over id → JSON value. */
export async function startSecrets(values: ReadonlyMap<string, Record<string, unknown>>): Promise<Secrets> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify(body));
    };
    if (request.headers['x-amz-target'] !== 'secretsmanager.GetSecretValue') {
      return answer(400, { __type: 'InvalidRequestException', Message: 'Only GetSecretValue is supported.' });
    }
    const { SecretId } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { SecretId: string };
    const value = values.get(SecretId);
    if (!value) return answer(400, { __type: 'ResourceNotFoundException', Message: `There is no secret ${SecretId}.` });
    return answer(200, { ARN: SecretId, Name: SecretId, SecretString: JSON.stringify(value) });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
