// Runs host/index.js inside the real extension host.
import assert from 'node:assert/strict';
import { Window } from '../window.mjs';

const TIMEOUT_MS = 120_000;

export default {
  async 'commands, settings and status work in the extension host'(env) {
    // VS Code's own commands need the focus, which only one window has.
    await env.reset();
    env.writeFile('host.py', 'def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return ');
    const window = new Window();
    window.env = env;
    window.context = await env.browser.newContext();
    window.page = await window.context.newPage();
    env.windows.push(window);
    const lines = [];
    let resolveExit;
    const exited = new Promise((resolve) => { resolveExit = resolve; });
    await window.page.exposeFunction('codeAutomationExit', (code) => resolveExit(code));
    await window.page.exposeFunction('codeAutomationLog', (_kind, args) => lines.push(args.join(' ')));
    const remote = (folder) => `vscode-remote://127.0.0.1:${env.port}${folder}`;
    await window.goto([
      ['extensionDevelopmentPath', remote(`${env.home}/host`)],
      ['extensionTestsPath', remote(`${env.home}/host/index.js`)],
    ]);
    const timedOut = new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS, 'timed out'));
    const exitCode = await Promise.race([exited, timedOut]);
    const report = lines.join('\n').match(/^.*(ok - |not ok - ).*$/gm) ?? [];
    for (const line of report) console.log(`         ${line.replace(/color:.*$/, '').trim()}`);
    await window.close();
    assert.equal(exitCode, 0, lines.join('\n'));
  },
};
