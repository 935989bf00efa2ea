// Runs the cases of cases/, one after the other, on one code-server; a failed case leaves a screenshot.
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Bench } from './bench.mjs';
import faults from './cases/faults.mjs';
import host from './cases/host.mjs';
import settings from './cases/settings.mjs';
import typing from './cases/typing.mjs';
import windows from './cases/windows.mjs';

const pattern = new RegExp(process.argv[2] ?? '', 'i');
const out = path.resolve('target/vscode-tests');
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const bench = await Bench.start(out);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => bench.stop().finally(() => process.exit(130)));
let passed = 0;
const failed = [];
try {
  for (const [name, run] of Object.entries({ ...typing, ...settings, ...windows, ...faults, ...host })) {
    if (!pattern.test(name)) continue;
    const started = Date.now();
    try {
      await run(bench);
      passed += 1;
      console.log(`ok     ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed.push(name);
      console.log(`not ok ${name}\n       ${String(error.stack ?? error).split('\n').slice(0, 6).join('\n       ')}`);
      await bench.screenshot(`failed ${name}`);
    }
  }
} finally {
  await bench.stop();
}
console.log(`${passed} passed, ${failed.length} failed`);
process.exit(failed.length > 0 || passed === 0 ? 1 : 0);
