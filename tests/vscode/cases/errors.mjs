// Errors are reported together with a remedy.
import { chmodSync, writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';

const text = 'def add(a, b):\n    return';

export default {
  async 'a missing program is reported with instructions to install it'(env) {
    env.writeMachineSettings({ 'foretype.serverPath': '/nowhere/foretype' });
    const window = await env.sharedWindow('missing.py', text);
    const item = await window.waitForStatus(/\/nowhere\/foretype, which is not an executable file/);
    assert.ok(item.warning && /debug-disconnect/.test(item.icon), JSON.stringify(item));
    await window.waitForNotification('How to Install');
    await env.screenshot('missing');
  },

  async 'a program that keeps exiting is no longer restarted and is reported'(env) {
    const program = `${env.home}/crashing`;
    writeFileSync(program, '#!/bin/sh\nexit 3\n');
    chmodSync(program, 0o755);
    env.writeMachineSettings({ 'foretype.serverPath': program });
    const window = await env.sharedWindow('crash.py', text);
    await window.waitForStatus(/keeps exiting/);
    await window.waitForNotification('times in a row');
    await env.screenshot('given up');
    env.writeMachineSettings({});
  },

  async 'a model that is not installed is reported with the command that installs it'(env) {
    env.writeMachineSettings({ 'foretype.model': 'qwen2.5-coder-7b' });
    const window = await env.sharedWindow('model.py', text);
    const item = await window.waitForStatus(/foretype model pull qwen2\.5-coder-7b/);
    assert.ok(item.warning, JSON.stringify(item));
    await window.waitForNotification('foretype model pull');
    await env.screenshot('model missing');
    env.writeMachineSettings({});
  },

  async 'inline suggestions disabled in VS Code are reported once'(env) {
    env.writeUserSettings({ 'editor.inlineSuggest.enabled': false });
    const window = await env.openWindow('suggest.py', text);
    await window.waitForNotification('editor.inlineSuggest.enabled is off');
    await env.screenshot('ghost text is off');
    await window.page.locator('.notification-list-item a:has-text("Turn It On")').click();
    await window.close();
    env.writeUserSettings({});
  },
};
