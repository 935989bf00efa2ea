// Ghost text: shown, typed through, accepted as a whole or in part, dismissed.
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { waitFor } from '../window.mjs';

const shop = 'def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n';

const inventory = `class Inventory:
    """What is in stock, by name."""

    def __init__(self):
        self.items = {}

    def add(self, name, quantity):
        """Add a quantity of an item."""
        self.items[name] = self.items.get(name, 0) + quantity

    def remove(self, name, quantity):
        """Remove a quantity of an item; its last one removes the item."""
`;

/** Opens the shop with ghost text behind the cursor. */
async function openWithGhost(env, name, typed = '    return ') {
  const window = await env.sharedWindow(name, shop);
  await window.waitUntilReady();
  await window.type(typed);
  await window.waitForGhost(/a - b/);
  return window;
}

export default {
  async 'the status bar shows when the model is ready'(env) {
    const window = await env.sharedWindow('ready.py', shop);
    const item = await window.waitUntilReady();
    assert.ok(item.right && !item.warning && /sparkle|loading/.test(item.icon), JSON.stringify(item));
  },

  async 'typing shows ghost text, and Tab accepts it'(env) {
    const window = await openWithGhost(env, 'tab.py');
    await env.screenshot('ghost text');
    await window.press('Tab');
    const text = await window.save('tab.py', /return a - b/);
    assert.match(text, /def subtract\(a, b\):\n {4}return a - b\n?/);
  },

  async 'several lines are accepted in a file with CRLF line ends'(env) {
    const begun = 'def largest(values):\n    best = values[0]\n';
    const window = await env.sharedWindow('windows.py', begun.replaceAll('\n', '\r\n'));
    await window.waitUntilReady();
    await window.type('    for value in');
    // The lines below the cursor come first in the page.
    await window.waitForGhost(/best = value/);
    await window.press('Tab');
    const text = await window.save('windows.py', /best = value\b/);
    assert.match(text, /for value in values:\r\n {8}if value > best:\r\n {12}best = value/);
    assert.doesNotMatch(text.replaceAll('\r\n', ''), /[\r\n]/);
  },

  async 'typing what the suggestion says keeps the rest of it'(env) {
    const window = await openWithGhost(env, 'through.py');
    await window.type('a ');
    assert.equal((await window.waitForGhost(/^- b/)).split('\n')[0].trim(), '- b');
    await window.press('Tab');
    await window.save('through.py', /return a - b/);
  },

  async 'typing something else leaves no stale ghost text'(env) {
    const window = await openWithGhost(env, 'on.py');
    await window.type('max(', 10);
    for (let sample = 0; sample < 40; sample += 1) {
      assert.doesNotMatch(await window.ghost(), /^a - b$/);
      await window.page.waitForTimeout(50);
    }
    await window.press('Escape');
    const text = await window.save('on.py', /return max\(/);
    assert.doesNotMatch(text, /a - b/);
  },

  async 'Ctrl+Right accepts one word'(env) {
    const window = await openWithGhost(env, 'word.py');
    await window.press('Control+ArrowRight');
    await window.waitForGhost(/^ ?- b/);
    await window.save('word.py', /return a ?$/m);
    await window.press('Escape');
  },

  async 'the command accepts one line'(env) {
    const window = await openWithGhost(env, 'line.py');
    await window.press('Control+Alt+l');
    await window.save('line.py', /return a - b/);
  },

  async 'Esc dismisses a suggestion'(env) {
    const window = await openWithGhost(env, 'escape.py');
    await window.press('Escape');
    await window.expectNoGhost();
    assert.doesNotMatch(await window.save('escape.py', /return/), /a - b/);
  },

  async 'Alt+\\ requests a suggestion, and Alt+] shows an alternative'(env) {
    const window = await env.sharedWindow('ask.py', `${shop}    return `);
    await window.waitUntilReady();
    await window.page.waitForTimeout(500);
    await window.press('Alt+\\');
    const first = await window.waitForGhost(/\S/);
    await window.press('Alt+]');
    const second = await window.waitForGhost(new RegExp(`^(?!${escaped(first)}$).*\\S`, 's'));
    assert.notEqual(second, first);
    await window.press('Alt+[');
    await window.waitForGhost(new RegExp(`^${escaped(first)}$`));
    await window.press('Escape');
  },

  async 'the prompt where the cursor rests is prefetched'(env) {
    const lines = Array.from({ length: 150 }, (_, number) => `name_${number} = ${number * 37}\n`).join('');
    const window = await env.sharedWindow('rests.py', lines);
    await window.waitUntilReady();
    const evaluatedTokens = async () => {
      const { models } = await env.daemonStatus();
      return models.reduce((sum, { engine }) => sum + (engine?.evaluated ?? 0), 0);
    };
    // The number of prefetches without an edit in between is limited; typing resets it.
    await window.type('x');
    await window.page.waitForTimeout(3000);
    const before = await evaluatedTokens();
    await window.press('Control+Home');
    await waitFor(async () => (await evaluatedTokens()) > before + 100, 'the prompt at the first line is prefetched');
  },

  async 'a screenshot for the README is taken'(env) {
    const window = await env.sharedWindow('inventory.py', inventory);
    await window.waitUntilReady();
    await window.type('        self.items[name]');
    await window.waitForGhost(/\S/);
    await window.waitUntilReady();
    await window.page.waitForTimeout(700);
    await env.screenshot('picture', { x: 48, y: 0, width: 1232, height: 720 });
    copyFileSync(path.join(env.out, 'picture.png'), path.join(env.out, 'vscode.png'));
    await window.press('Escape');
  },
};

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
