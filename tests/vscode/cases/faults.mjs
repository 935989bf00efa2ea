// What is wrong is said, with a way out.
import { chmodSync, writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';

const text = 'def add(a, b):\n    return';

export default {
  async 'a missing program is reported with a way to get it'(bench) {
    bench.machineSettings({ 'foretype.serverPath': '/nowhere/foretype' });
    const window = await bench.first('missing.py', text);
    const item = await window.waitStatus(/\/nowhere\/foretype, which is not a program/);
    assert.ok(item.warning && /debug-disconnect/.test(item.icon), JSON.stringify(item));
    await window.notification('How to Get It');
    await bench.screenshot('missing');
  },

  async 'a program that ends again and again is given up with a word'(bench) {
    const program = `${bench.home}/crashing`;
    writeFileSync(program, '#!/bin/sh\nexit 3\n');
    chmodSync(program, 0o755);
    bench.machineSettings({ 'foretype.serverPath': program });
    const window = await bench.first('crash.py', text);
    await window.waitStatus(/ends again and again/);
    await window.notification('times in a row');
    await bench.screenshot('given up');
    bench.machineSettings({});
  },

  async 'a model that is not there is an error with the remedy'(bench) {
    bench.machineSettings({ 'foretype.model': 'qwen2.5-coder-7b' });
    const window = await bench.first('model.py', text);
    const item = await window.waitStatus(/foretype model pull qwen2\.5-coder-7b/);
    assert.ok(item.warning, JSON.stringify(item));
    await window.notification('foretype model pull');
    await bench.screenshot('model missing');
    bench.machineSettings({});
  },

  async 'ghost text that is switched off in the editor is reported once'(bench) {
    bench.settings({ 'editor.inlineSuggest.enabled': false });
    const window = await bench.open('suggest.py', text);
    await window.notification('shows nothing while the setting');
    await bench.screenshot('ghost text is off');
    await window.page.locator('.notification-list-item a:has-text("Turn It On")').click();
    await window.close();
    bench.settings({});
  },
};
