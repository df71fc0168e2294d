import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Alarm, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ISecurityGroup, IVpc } from 'aws-cdk-lib/aws-ec2';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function as LambdaFunction, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import type { Bundles } from './bundle.ts';

export interface NodeFunctionProps {
  /** The function's name, and that of its bundle. */
  name: string;
  stage: string;
  bundles: Bundles;
  memoryMb: number;
  timeoutSeconds: number;
  environment: Record<string, string>;
  logDays: number;
  alarms: ITopic;
  network?: { vpc: IVpc; securityGroup: ISecurityGroup };
}

/** A Node 24 function on arm64 from its own bundle, with its own role, log group and alarm. */
export class NodeFunction extends Construct {
  readonly function: LambdaFunction;

  constructor(scope: Construct, id: string, props: NodeFunctionProps) {
    super(scope, id);
    const { name, stage, bundles, network } = props;
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/tributary/${stage}/${name}`,
      retention: props.logDays as RetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);
    if (network) {
      role.addManagedPolicy(ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSLambdaVPCAccessExecutionRole'));
      acknowledge(
        role,
        'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole]',
        'Network interfaces have no ARN before they exist; this is the policy that Lambda asks for.',
      );
    }
    this.function = new LambdaFunction(this, 'Function', {
      functionName: `tributary-${stage}-${name}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'index.handler',
      code: Code.fromAsset(bundles.get(name)!),
      memorySize: props.memoryMb,
      timeout: Duration.seconds(props.timeoutSeconds),
      tracing: Tracing.ACTIVE,
      role,
      logGroup,
      environment: { SERVICE: name, ...props.environment },
      ...(network ? { vpc: network.vpc, securityGroups: [network.securityGroup] } : {}),
    });
    acknowledge(role, 'IAM5[Resource::*]', 'X-Ray takes segments for no resource in particular.');
    const errors = new Alarm(this, 'Errors', {
      alarmDescription: `${name}: invocations fail; the logs are in ${logGroup.logGroupName}`,
      metric: this.function.metricErrors({ period: Duration.minutes(5) }),
      threshold: 5,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    errors.addAlarmAction(new SnsAction(props.alarms));
  }
}
