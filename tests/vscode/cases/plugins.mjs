// A user's plugins: how they are is told, what is wrong is marked where it is, and their folders open.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { until } from '../window.mjs';

const shop = 'def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return';

/** Line 5 fails, and nothing else does. */
const broken = 'return {\n\tapi = 1,\n\tname = "broken",\n\tfinish = function(_, text)\n\t\treturn text.x.y\n\tend,\n}\n';

const rows = (window) => window.page.locator('.quick-input-list .monaco-list-row');

export default {
  async 'the fault of a plugin is told and marked until it is mended'(bench) {
    const folder = path.join(bench.home, 'config/foretype/plugins');
    const file = path.join(folder, 'broken.luau');
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, broken);
    try {
      const window = await bench.first('plugins.py', shop);
      await window.ready();
      await window.type(' ');
      await window.waitGhost(/a - b/);
      await window.notification('broken.luau:5');
      await window.press('Escape');
      await window.command('Foretype: Show Plugins');
      await rows(window).filter({ hasText: 'stopped: broken.luau:5' }).first().waitFor();
      await bench.screenshot('plugins');
      await window.choose('broken');
      await window.page.waitForSelector('.tab.active:has-text("broken.luau")');
      await window.page.waitForSelector('.squiggly-error');
      // The cursor is at the fault.
      await window.press('End');
      await window.press('Shift+Home');
      await window.type('return nil');
      await window.press('Control+S');
      await until(() => window.page.locator('.squiggly-error').count().then((count) => count === 0), 'the mark goes');
      await window.command('Foretype: Show Plugins');
      await rows(window).filter({ hasText: 'ready' }).first().waitFor();
      await window.press('Escape');
      await window.press('Control+F4');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },

  async 'the folder of the workspace\'s plugins is made and shown'(bench) {
    const window = await bench.first('folder.py', shop);
    await window.ready();
    await window.command('Foretype: Open Plugin Folder');
    await rows(window).filter({ hasText: 'Yours, for all workspaces' }).first().waitFor();
    const lines = (await rows(window).allInnerTexts()).join('\n');
    assert.match(lines, /Of this workspace[^]*Yours, for all workspaces/);
    await window.choose('Of this workspace');
    await window.page.locator('.explorer-folders-view .monaco-list-row', { hasText: 'plugins' }).first().waitFor();
    await bench.screenshot('plugin folder');
    rmSync(path.join(bench.workspace, '.foretype'), { recursive: true, force: true });
  },
};
