import { App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { domains } from '../functions/registry.ts';
import { type Bundles, bundleFunctions } from './constructs/bundle.ts';
import { planFunctions } from './functions.ts';
import { settingsOf } from './settings.ts';
import { DataStack } from './stacks/data.ts';
import { ServiceStack } from './stacks/service.ts';

// the bundles are deleted as soon as synthesis has copied them
const app = new App({ autoSynth: false });
let bundles: Bundles | undefined;
try {
  const settings = settingsOf(app.node.tryGetContext('stage') ?? 'dev');
  const plans = planFunctions(domains);
  bundles = await bundleFunctions(plans);
  const prefix = `Tributary-${settings.stage}`;
  const data = new DataStack(app, `${prefix}-Data`, { settings });
  new ServiceStack(app, `${prefix}-Service`, { settings, data, plans, bundles: bundles.folders });
  Tags.of(app).add('app', 'tributary');
  Tags.of(app).add('stage', settings.stage);
  if (app.node.tryGetContext('nag') !== 'off') Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  await bundles?.remove();
}
