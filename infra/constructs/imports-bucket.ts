import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { BlockPublicAccess, Bucket, BucketEncryption, type CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Domain } from '../../shared/kernel/domain.ts';
import { importJobOf } from '../../shared/kernel/job.ts';
import { laneQueue } from '../functions.ts';
import { acknowledge } from './acknowledge.ts';
import type { Messaging } from './messaging.ts';

/** The bucket for files to import. */
export function createImportsBucket(scope: Construct): Bucket {
  const bucket = new Bucket(scope, 'Imports', {
    encryption: BucketEncryption.S3_MANAGED,
    enforceSSL: true,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    removalPolicy: RemovalPolicy.RETAIN,
    lifecycleRules: [{ expiration: Duration.days(30), abortIncompleteMultipartUploadAfter: Duration.days(1) }],
  });
  acknowledge(bucket, 'S1', 'Files stay in it for 30 days; each import is a job with a record of its own.');
  return bucket;
}

/** A file dropped below the name of a domain that has datasets starts the domain's import. */
export function notifyOfImports(imports: Bucket, domains: readonly Domain[], messaging: Messaging): void {
  const bucket = imports.node.defaultChild as CfnBucket;
  const importing = domains.filter(({ datasets }) => Object.keys(datasets).length > 0);
  const queueConfigurations = importing.map(({ name }) => {
    const queue = messaging.queue(laneQueue(name, importJobOf(name).lane));
    queue.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal('s3.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [queue.queueArn],
        // with the bucket's ARN, bucket and policy would depend on each other
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(imports).account } },
      }),
    );
    bucket.node.addDependency(queue.node.findChild('Policy'));
    return {
      event: 's3:ObjectCreated:*',
      queue: queue.queueArn,
      filter: { s3Key: { rules: [{ name: 'prefix', value: `${name}/` }] } },
    };
  });
  bucket.notificationConfiguration = { queueConfigurations };
}
