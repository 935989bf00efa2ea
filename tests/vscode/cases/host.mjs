// The suite of host/index.js, run inside the real extension host.
import assert from 'node:assert/strict';
import { Window } from '../window.mjs';

export default {
  async 'commands, settings and state, seen from the extension host'(bench) {
    // Of several windows only one has the focus, which the core's commands need.
    await bench.fresh();
    bench.write('host.py', 'def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return ');
    const window = new Window();
    window.bench = bench;
    window.context = await bench.browser.newContext();
    window.page = await window.context.newPage();
    bench.windows.push(window);
    const lines = [];
    let done;
    const code = new Promise((resolve) => { done = resolve; });
    await window.page.exposeFunction('codeAutomationExit', (code) => done(code));
    await window.page.exposeFunction('codeAutomationLog', (_kind, args) => lines.push(args.join(' ')));
    const remote = (folder) => `vscode-remote://127.0.0.1:${bench.port}${folder}`;
    await window.goto([['extensionDevelopmentPath', remote(`${bench.home}/host`)], ['extensionTestsPath', remote(`${bench.home}/host/index.js`)]]);
    const ended = await Promise.race([code, new Promise((resolve) => setTimeout(resolve, 120_000, 'no answer'))]);
    const report = lines.join('\n').match(/^.*(ok - |not ok - ).*$/gm) ?? [];
    for (const line of report) console.log(`         ${line.replace(/color:.*$/, '').trim()}`);
    await window.close();
    assert.equal(ended, 0, lines.join('\n'));
  },
};
