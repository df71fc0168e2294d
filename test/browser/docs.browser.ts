import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { startTestRuntime } from '../support/runtime.ts';

const executablePath = spawnSync('which', ['chromium'], { encoding: 'utf8' }).stdout.trim();
const profile = await mkdtemp(join(tmpdir(), 'browser-'));
const runtime = await startTestRuntime();
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
afterAll(async () => {
  await browser.close();
  await runtime.stop();
  await rm(profile, { recursive: true, force: true });
});

test('the API can be browsed and tried at /docs', async () => {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.goto(`${runtime.url}/docs`);
  const operation = page.locator('#operations-platform-getHealth');
  await operation.waitFor();
  expect(await page.locator('.opblock').count()).toBeGreaterThan(20);
  await operation.locator('.opblock-summary-control').click();
  await operation.getByRole('button', { name: 'Execute' }).click();
  await operation.locator('.live-responses-table .response-col_status', { hasText: '200' }).first().waitFor();
  expect(await operation.locator('.live-responses-table').innerText()).toContain('"status"');
  expect(problems).toEqual([]);
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
});
