// Plugins: the list shows their state, errors are marked at their line, and their folders open.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { waitFor } from '../window.mjs';

const shop = 'def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return';

/** A plugin whose line 5 fails. */
const brokenPlugin = `return {
\tapi = 1,
\tname = "broken",
\tfinish = function(_, text)
\t\treturn text.x.y
\tend,
}
`;

const rows = (window) => window.page.locator('.quick-input-list .monaco-list-row');

export default {
  async 'an error in a plugin is reported, and marked until it is fixed'(env) {
    const folder = path.join(env.home, 'config/foretype/plugins');
    const file = path.join(folder, 'broken.luau');
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, brokenPlugin);
    try {
      const window = await env.sharedWindow('plugins.py', shop);
      await window.waitUntilReady();
      await window.type(' ');
      await window.waitForGhost(/a - b/);
      await window.waitForNotification('broken.luau:5');
      await window.press('Escape');
      await window.command('Foretype: Show Plugins');
      await rows(window).filter({ hasText: 'stopped: broken.luau:5' }).first().waitFor();
      await env.screenshot('plugins');
      await window.choose('broken');
      await window.page.waitForSelector('.tab.active:has-text("broken.luau")');
      await window.page.waitForSelector('.squiggly-error');
      // The cursor is on the line of the error.
      await window.press('End');
      await window.press('Shift+Home');
      await window.type('return nil');
      await window.press('Control+S');
      await waitFor(async () => (await window.page.locator('.squiggly-error').count()) === 0, 'the mark disappears');
      await window.command('Foretype: Show Plugins');
      await rows(window).filter({ hasText: 'ready' }).first().waitFor();
      await window.press('Escape');
      await window.press('Control+F4');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },

  async 'the workspace\'s plugin folder is created and revealed'(env) {
    const window = await env.sharedWindow('folder.py', shop);
    await window.waitUntilReady();
    await window.command('Foretype: Open Plugin Folder');
    await rows(window).filter({ hasText: 'User plugins' }).first().waitFor();
    const lines = (await rows(window).allInnerTexts()).join('\n');
    assert.match(lines, /Workspace plugins[^]*User plugins/);
    await window.choose('Workspace plugins');
    await window.page.locator('.explorer-folders-view .monaco-list-row', { hasText: 'plugins' }).first().waitFor();
    await env.screenshot('plugin folder');
    rmSync(path.join(env.workspace, '.foretype'), { recursive: true, force: true });
  },
};
