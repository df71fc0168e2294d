/** The HTTP operations of alerts. All need the key of their owner. */
import * as z from 'zod';
import { cursor } from '../../shared/kernel/cursor.ts';
import { limit, timestamp } from '../../shared/kernel/fields.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';
import { alert, byAlert, condition, firing, firingId, marginPercent } from './alert-shapes.ts';

const secret = z.string().meta({ description: 'Signs the webhooks. Shown only here.', examples: ['whsec_…'] });

export const alertOperations = defineOperations({
  createAlert: {
    method: 'POST',
    path: '/v1/alerts',
    summary: 'Creates an alert. It fires when its value reaches the threshold, and at once if it has already.',
    description:
      'A key has at most 100 alerts. After it has fired, an alert fires again only after its value went back over the ' +
      'threshold by `marginPercent` of it. Each firing is posted to `webhookUrl` by the rules of Standard Webhooks: at ' +
      'least once, in order, and for up to 24 hours until the receiver answers with 2xx.',
    access: 'key',
    body: z.strictObject({
      condition,
      marginPercent: marginPercent.default(1),
      /** https, at a public address. */
      webhookUrl: z.string().min(1).max(2_000),
    }),
    response: z.strictObject({ ...alert.shape, webhookSecret: secret }),
    problems: [401, 409],
  },

  listAlerts: {
    method: 'GET',
    path: '/v1/alerts',
    summary: 'All alerts of the key, latest first.',
    access: 'key',
    response: z.strictObject({ alerts: z.array(alert) }),
    problems: [401],
  },

  getAlert: {
    method: 'GET',
    path: '/v1/alerts/{id}',
    summary: 'An alert.',
    access: 'key',
    pathParameters: byAlert,
    response: alert,
    problems: [401, 404],
  },

  pauseAlert: {
    method: 'POST',
    path: '/v1/alerts/{id}/pause',
    summary: 'Pauses an alert: it fires no more. What it has fired is still delivered.',
    access: 'key',
    pathParameters: byAlert,
    response: alert,
    problems: [401, 404],
  },

  resumeAlert: {
    method: 'POST',
    path: '/v1/alerts/{id}/resume',
    summary: 'Resumes a paused alert with the latest value. What happened in between is not observed.',
    access: 'key',
    pathParameters: byAlert,
    response: alert,
    problems: [401, 404],
  },

  deleteAlert: {
    method: 'DELETE',
    path: '/v1/alerts/{id}',
    summary: 'Deletes an alert with its firings. What is not delivered yet is not sent any more.',
    access: 'key',
    pathParameters: byAlert,
    response: z.strictObject({ id: ulidText }),
    problems: [401, 404],
  },

  rotateAlertSecret: {
    method: 'POST',
    path: '/v1/alerts/{id}/rotate-secret',
    summary: 'Gives an alert a new webhook secret. The previous one signs as well for 24 hours.',
    access: 'key',
    pathParameters: byAlert,
    response: z.strictObject({ id: ulidText, webhookSecret: secret, previousSignsUntil: timestamp }),
    problems: [401, 404],
  },

  listAlertFirings: {
    method: 'GET',
    path: '/v1/alerts/{id}/firings',
    summary: 'What an alert has fired in the last 90 days, latest first, and how far each delivery is.',
    access: 'key',
    pathParameters: byAlert,
    query: z.strictObject({ limit, cursor: cursor.optional() }),
    response: z.strictObject({ firings: z.array(firing), nextCursor: z.string().nullable() }),
    problems: [401, 404],
  },

  replayFiring: {
    method: 'POST',
    path: '/v1/alerts/{id}/firings/{firing}/replay',
    summary: 'Sends a firing again that was given up after 24 hours, for another 24 hours.',
    access: 'key',
    pathParameters: z.strictObject({ ...byAlert.shape, firing: firingId }),
    status: 202,
    response: firing,
    problems: [401, 404, 409],
  },
});
