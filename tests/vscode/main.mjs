// Runs the cases of cases/, one after another, on one code-server. A failed case leaves a screenshot.
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Bench } from './bench.mjs';
import { reportFlaky } from './flaky.mjs';
import conversations from './cases/conversations.mjs';
import docstrings from './cases/docstrings.mjs';
import faults from './cases/faults.mjs';
import host from './cases/host.mjs';
import plugins from './cases/plugins.mjs';
import rewriting from './cases/rewriting.mjs';
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
const flaky = [];

async function attempt(name, run) {
  const started = Date.now();
  try {
    await run(bench);
    console.log(`ok     ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    console.log(`not ok ${name}\n       ${String(error.stack ?? error).split('\n').slice(0, 6).join('\n       ')}`);
    await bench.screenshot(`failed ${name}`);
    const messages = await bench.windows.at(-1)?.messages().catch(() => []);
    for (const message of messages ?? []) console.log(`       message: ${message.replace(/\s+/g, ' ')}`);
    return false;
  }
}

try {
  for (const [name, run] of Object.entries({ ...typing, ...conversations, ...docstrings, ...rewriting, ...settings, ...plugins, ...windows, ...faults, ...host })) {
    if (!pattern.test(name)) continue;
    // A real editor next to a real model on a busy machine is late now and then: a failed case is tried once more, in another
    // window. The first failure stays in the output, and the case counts as flaky.
    let done = await attempt(name, run);
    if (!done) {
      await bench.fresh();
      done = await attempt(`${name}, second try`, run);
      if (done) flaky.push(name);
    }
    if (done) passed += 1;
    else failed.push(name);
  }
} finally {
  await bench.stop();
}
const withinBudget = reportFlaky('vscode', flaky);
console.log(`${passed} passed, ${failed.length} failed`);
process.exit(failed.length > 0 || passed === 0 || !withinBudget ? 1 : 0);
