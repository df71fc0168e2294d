/** The local answers to references: names and addresses of what runs here. */
import { localAccount, localRegion } from './queues.ts';
import type { Resource } from './template.ts';

const arn = (service: string, name: string) => `arn:aws:${service}:${localRegion}:${localAccount}:${name}`;

/** The bucket of a logical id. S3 allows no upper case in names. */
export const bucketName = (logicalId: string) => logicalId.toLowerCase();

export const queueUrl = (queuesUrl: string, name: string) => `${queuesUrl}/${localAccount}/${name}`;

/** Answers a Ref or GetAtt. What only the cloud has is answered by its logical id; undefined is no answer. */
export function answer(
  { Type, Properties = {} }: Resource,
  logicalId: string,
  attribute: string | undefined,
  queuesUrl: string,
): string | undefined {
  const name = (property: string) =>
    typeof Properties[property] === 'string' ? (Properties[property] as string) : logicalId;
  switch (Type) {
    case 'AWS::SQS::Queue':
      if (attribute === undefined) return queueUrl(queuesUrl, name('QueueName'));
      return attribute === 'Arn' ? arn('sqs', name('QueueName')) : name('QueueName');
    case 'AWS::S3::Bucket':
      return attribute === 'Arn' ? `arn:aws:s3:::${bucketName(logicalId)}` : bucketName(logicalId);
    case 'AWS::Events::EventBus':
      return attribute === 'Arn' ? arn('events', `event-bus/${name('Name')}`) : name('Name');
    case 'AWS::Lambda::Function':
      return attribute === 'Arn' ? arn('lambda', `function:${logicalId}`) : logicalId;
    case 'AWS::SecretsManager::Secret':
    case 'AWS::ApiGatewayV2::Integration':
    case 'AWS::ApiGatewayV2::Authorizer':
      return logicalId;
    default:
      return undefined;
  }
}
