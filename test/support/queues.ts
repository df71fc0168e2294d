import { randomBytes } from 'node:crypto';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { inject } from 'vitest';

const connection = () => ({
  endpoint: inject('services').queuesUrl,
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});

export const testSqs = () => new SQSClient(connection());
export const testS3 = () => new S3Client({ ...connection(), forcePathStyle: true });

/** Creates a queue for this suite, with a dead-letter queue. */
export async function createQueue(name: string): Promise<{ url: string; deadLetterUrl: string }> {
  const sqs = testSqs();
  const suffix = randomBytes(4).toString('hex');
  const dead = await sqs.send(new CreateQueueCommand({ QueueName: `${name}-${suffix}-dead` }));
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: dead.QueueUrl!, AttributeNames: ['QueueArn'] }),
  );
  const redrive = JSON.stringify({ deadLetterTargetArn: Attributes!.QueueArn, maxReceiveCount: 5 });
  const { QueueUrl } = await sqs.send(
    new CreateQueueCommand({
      QueueName: `${name}-${suffix}`,
      Attributes: { RedrivePolicy: redrive, VisibilityTimeout: '30' },
    }),
  );
  return { url: local(QueueUrl!), deadLetterUrl: local(dead.QueueUrl!) };
}

/** The server returns queue URLs with its own address. Tests use the proxy's. */
function local(queueUrl: string): string {
  return `${inject('services').queuesUrl}/000000000000/${queueUrl.split('/').at(-1)}`;
}

/** Receives all visible messages of a queue and parses them, without deleting them. */
export async function drain(url: string): Promise<unknown[]> {
  const sqs = testSqs();
  const bodies: unknown[] = [];
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
    );
    if (Messages.length === 0) return bodies;
    bodies.push(...Messages.map(({ Body }) => JSON.parse(Body!)));
  }
}

/** Creates a bucket for this suite. */
export async function createBucket(): Promise<string> {
  const bucket = `suite-${randomBytes(6).toString('hex')}`;
  await testS3().send(new CreateBucketCommand({ Bucket: bucket }));
  return bucket;
}

export async function putObject(
  bucket: string,
  key: string,
  body: Buffer | string,
  set: Record<string, string> = {},
): Promise<void> {
  await testS3().send(
    new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, Metadata: { set: JSON.stringify(set) } }),
  );
}
