import { Logger } from '@aws-lambda-powertools/logger';
import { env } from '../env.ts';
import { correlationId } from './correlation.ts';

let logger: Logger | undefined;

type Fields = Record<string, unknown>;

/**
 * Structured logs: one JSON line per message, with the current correlation id.
 *
 * Pass errors as `error`; their details and causes are logged too. Never log a secret.
 */
export const log = {
  debug: (message: string, fields: Fields = {}) => write('debug', message, fields),
  info: (message: string, fields: Fields = {}) => write('info', message, fields),
  warn: (message: string, fields: Fields = {}) => write('warn', message, fields),
  error: (message: string, fields: Fields = {}) => write('error', message, fields),
};

function write(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: Fields): void {
  logger ??= new Logger({ serviceName: env('SERVICE'), logLevel: env('LOG_LEVEL') });
  logger[level](message, { ...fields, correlationId: correlationId() });
}
