import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { BlockPublicAccess, Bucket, BucketEncryption, type CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

/** The bucket that files to be imported are dropped into. */
export function createImportsBucket(scope: Construct): Bucket {
  const bucket = new Bucket(scope, 'Imports', {
    encryption: BucketEncryption.S3_MANAGED,
    enforceSSL: true,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    removalPolicy: RemovalPolicy.RETAIN,
    lifecycleRules: [{ expiration: Duration.days(30), abortIncompleteMultipartUploadAfter: Duration.days(1) }],
  });
  acknowledge(bucket, 'S1', 'Files pass through it for 30 days; each import is a job with its own record.');
  return bucket;
}

/** A file dropped below a domain's name goes to that domain's jobs queue. */
export function notifyOfImports(imports: Bucket, queues: ReadonlyMap<string, Queue>): void {
  const bucket = imports.node.defaultChild as CfnBucket;
  const queueConfigurations = [...queues].map(([name, queue]) => {
    queue.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal('s3.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [queue.queueArn],
        // not by the bucket's ARN: bucket and policy would wait for each other
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
