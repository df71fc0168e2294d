import { type Domain, upstreamsOfApi, upstreamsOfEtl } from '../../shared/kernel/domain.ts';
import { needsCredentials, type Upstream } from '../../shared/kernel/upstream.ts';
import type { Gate } from '../../shared/upstream/gate.ts';

/** The upstreams that a domain calls, without duplicates. */
export function upstreamsOf(domain: Domain): Upstream[] {
  return [...new Set([...upstreamsOfApi(domain), ...upstreamsOfEtl(domain)])];
}

/** The value of an upstream's secret in tests, such as `alchemy-apiKey`. */
export function testCredentials<U extends Upstream>({ name, secret }: U): Record<keyof U['secret']['shape'], string> {
  return Object.fromEntries(Object.keys(secret.shape).map((key) => [key, `${name}-${key}`])) as never;
}

/** The settings of a domain's upstreams, with addresses where nothing listens. */
export function upstreamEnvironment(domain: Domain): Record<string, string> {
  return Object.fromEntries(
    upstreamsOf(domain).flatMap((upstream) => [
      [`UPSTREAM_${upstream.name.toUpperCase()}_URL`, 'http://127.0.0.1:1'],
      ...(needsCredentials(upstream) ? [[`UPSTREAM_${upstream.name.toUpperCase()}_SECRET_ARN`, upstream.name]] : []),
    ]),
  );
}

/** Lets every request pass. */
export const openGate: Gate = { enter: async () => {}, close: async () => {} };
