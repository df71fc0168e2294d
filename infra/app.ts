import { App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { bundleFunctions } from './constructs/bundle.ts';
import { settingsOf } from './settings.ts';
import { DataStack } from './stacks/data.ts';
import { ServiceStack } from './stacks/service.ts';

const app = new App();
try {
  const settings = settingsOf(app.node.tryGetContext('stage') ?? 'dev');
  const bundles = await bundleFunctions();
  const prefix = `Tributary-${settings.stage}`;
  const data = new DataStack(app, `${prefix}-Data`, { settings });
  new ServiceStack(app, `${prefix}-Service`, { settings, data, bundles });
  Tags.of(app).add('app', 'tributary');
  Tags.of(app).add('stage', settings.stage);
  if (app.node.tryGetContext('nag') !== 'off') Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
