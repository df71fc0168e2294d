/** `npm test`: every suite but the browser's (`--browser`: only that). Closes with `N passed, N failed` alone on a line. */
import '../tools/toolchain.ts';
import { startVitest } from 'vitest/node';

const arguments_ = process.argv.slice(2);
const browser = arguments_.includes('--browser');
const filters = arguments_.filter((argument) => argument !== '--browser');

const vitest = await startVitest('test', filters, {
  watch: false,
  ...(browser ? { include: ['test/browser/**/*.browser.ts'] } : {}),
});
const states = vitest.state.getFiles().flatMap((file) => testsOf(file));
const count = (state: string) => states.filter((one) => one === state).length;
const [passed, failed, skipped] = [count('pass'), count('fail'), count('skip')];
// a suite that does not load has no test of its own to fail
const broken = vitest.state.getFiles().filter(({ result }) => result?.state === 'fail').length;
await vitest.close();
const failures = failed > 0 ? failed : Math.max(broken, vitest.state.getUnhandledErrors().length);
console.log(`${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failures > 0 || passed === 0 ? 1 : 0);

interface Task {
  type: string;
  mode?: string;
  tasks?: Task[];
  result?: { state?: string };
}

function testsOf(task: Task): string[] {
  if (task.type === 'test') return [task.mode === 'skip' ? 'skip' : (task.result?.state ?? 'skip')];
  return (task.tasks ?? []).flatMap(testsOf);
}
