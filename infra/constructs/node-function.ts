import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc } from 'aws-cdk-lib/aws-ec2';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function as LambdaFunction, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { alarmAbove } from './alarms.ts';

export interface NodeFunctionProps {
  /** Its service name in logs and metrics. */
  name: string;
  stage: string;
  /** The folder of its bundle. */
  bundle: string;
  memoryMb: number;
  timeoutSeconds: number;
  logDays: number;
  alarms: ITopic;
  /** Default: outside the network. */
  network?: { vpc: IVpc; securityGroup: ISecurityGroup };
}

/** A Node 24 function on arm64, with its own role, log group and alarm. */
export class NodeFunction extends Construct {
  readonly function: LambdaFunction;

  constructor(scope: Construct, id: string, props: NodeFunctionProps) {
    super(scope, id);
    const { name, stage, bundle, network } = props;
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/tributary/${stage}/${name}`,
      retention: props.logDays as RetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.function = new LambdaFunction(this, 'Function', {
      functionName: `tributary-${stage}-${name}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'index.handler',
      code: Code.fromAsset(bundle),
      memorySize: props.memoryMb,
      timeout: Duration.seconds(props.timeoutSeconds),
      tracing: Tracing.ACTIVE,
      role: this.createRole(logGroup, network !== undefined),
      logGroup,
      environment: { SERVICE: name },
      ...(network ? { vpc: network.vpc, securityGroups: [network.securityGroup] } : {}),
    });
    alarmAbove(this, 'Errors', {
      topic: props.alarms,
      description: `${name}: invocations fail. Its logs are in ${logGroup.logGroupName}.`,
      metric: this.function.metricErrors({ period: Duration.minutes(5) }),
      threshold: 4,
    });
  }

  private createRole(logGroup: LogGroup, isInNetwork: boolean): Role {
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);
    acknowledge(role, 'IAM5[Resource::*]', 'Sending segments to X-Ray has no resource.');
    if (isInNetwork) {
      role.addManagedPolicy(ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSLambdaVPCAccessExecutionRole'));
      acknowledge(
        role,
        'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole]',
        'Network interfaces have no ARN before they exist. This is the policy that Lambda requires.',
      );
    }
    return role;
  }
}
