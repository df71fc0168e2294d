import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { CfnWorkGroup } from 'aws-cdk-lib/aws-athena';
import { CfnDatabase, CfnTable } from 'aws-cdk-lib/aws-glue';
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { type ArchivedType, archivedDecimal, type TieredTable } from '../../shared/kernel/table.ts';
import type { Settings } from '../settings.ts';
import type { DataStack } from '../stacks/data.ts';
import { acknowledge } from './acknowledge.ts';

/**
 * Queries of the archive: a workgroup whose queries stop at a limit of bytes, and a table for each tiered table. The tables
 * know their months by projection, so that a new file needs no registration.
 */
export function createAthena(
  scope: Construct,
  { archive, key }: DataStack,
  { stage, athena }: Settings,
  tables: readonly TieredTable[],
): void {
  const results = createResultsBucket(scope, athena.resultDays);
  new CfnWorkGroup(scope, 'AthenaWorkGroup', {
    name: `tributary-${stage}`,
    description: 'Queries of the archive',
    workGroupConfiguration: {
      enforceWorkGroupConfiguration: true,
      publishCloudWatchMetricsEnabled: true,
      bytesScannedCutoffPerQuery: athena.scanLimitGb * 1_000_000_000,
      engineVersion: { selectedEngineVersion: 'Athena engine version 3' },
      resultConfiguration: {
        outputLocation: `s3://${results.bucketName}/`,
        encryptionConfiguration: { encryptionOption: 'SSE_KMS', kmsKey: key.keyArn },
      },
    },
  });
  const name = `tributary_${stage}`;
  const database = new CfnDatabase(scope, 'ArchiveDatabase', {
    catalogId: archive.env.account,
    databaseInput: { name, description: 'The archive of tiered tables' },
  });
  for (const table of tables) createTable(scope, table, name, archive).addResourceDependency(database);
}

function createResultsBucket(scope: Construct, days: number): Bucket {
  const bucket = new Bucket(scope, 'AthenaResults', {
    encryption: BucketEncryption.S3_MANAGED,
    enforceSSL: true,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    removalPolicy: RemovalPolicy.DESTROY,
    lifecycleRules: [{ expiration: Duration.days(days), abortIncompleteMultipartUploadAfter: Duration.days(1) }],
  });
  acknowledge(bucket, 'S1', 'Results stay in it for days, and Athena keeps a history of queries.');
  return bucket;
}

function createTable(
  scope: Construct,
  { schema, name, tiers }: TieredTable,
  databaseName: string,
  archive: IBucket,
): CfnTable {
  const location = `s3://${archive.bucketName}/table=${schema}.${name}`;
  return new CfnTable(scope, `ArchiveTable-${schema}-${name}`, {
    catalogId: archive.env.account,
    databaseName,
    tableInput: {
      name: `${schema}_${name}`,
      tableType: 'EXTERNAL_TABLE',
      partitionKeys: [{ name: 'month', type: 'string' }],
      parameters: {
        classification: 'parquet',
        'projection.enabled': 'true',
        'projection.month.type': 'date',
        'projection.month.format': 'yyyy-MM',
        'projection.month.range': '2009-01,NOW',
        'projection.month.interval': '1',
        'projection.month.interval.unit': 'MONTHS',

        'storage.location.template': `${location}/month=\${month}/`,
      },
      storageDescriptor: {
        location: `${location}/`,
        columns: Object.entries(tiers.columns).flatMap(([column, type]) => columnsOf(column, type)),
        inputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
        outputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
        serdeInfo: { serializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' },
      },
    },
  });
}

const types: Record<Exclude<ArchivedType, 'numeric'>, string> = {
  smallint: 'int',
  integer: 'int',
  bigint: 'bigint',
  boolean: 'boolean',
  text: 'string',
  timestamptz: 'timestamp',
};

/** Athena finds columns by name, and takes one that a file does not have as null. */
function columnsOf(name: string, type: ArchivedType): CfnTable.ColumnProperty[] {
  if (type !== 'numeric') return [{ name, type: types[type] }];
  const { precision, scale, overflowSuffix } = archivedDecimal;
  return [
    { name, type: `decimal(${precision},${scale})` },
    { name: `${name}${overflowSuffix}`, type: 'string' },
  ];
}
