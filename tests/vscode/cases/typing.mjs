// Ghost text comes, follows the keys, is taken whole or in parts, and goes.
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { until } from '../window.mjs';

const shop = 'def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n';

async function ghost(bench, name, typed = '    return ') {
  const window = await bench.first(name, shop);
  await window.ready();
  await window.type(typed);
  await window.waitGhost(/a - b/);
  return window;
}

export default {
  async 'a window says that it starts, then that the model is ready'(bench) {
    const window = await bench.first('ready.py', shop);
    const item = await window.ready();
    assert.ok(item.right && !item.warning && /sparkle|loading/.test(item.icon), JSON.stringify(item));
  },

  async 'typing brings ghost text and Tab takes it'(bench) {
    const window = await ghost(bench, 'tab.py');
    await bench.screenshot('ghost text');
    await window.press('Tab');
    const text = await window.saved('tab.py', /return a - b/);
    assert.match(text, /def subtract\(a, b\):\n {4}return a - b\n?/);
  },

  async 'typing what the suggestion says keeps the rest of it'(bench) {
    const window = await ghost(bench, 'through.py');
    await window.type('a ');
    assert.equal((await window.waitGhost(/^- b/)).split('\n')[0].trim(), '- b');
    await window.press('Tab');
    await window.saved('through.py', /return a - b/);
  },

  async 'typing on in another way leaves nothing stale'(bench) {
    const window = await ghost(bench, 'on.py');
    await window.type('max(', 10);
    for (let look = 0; look < 40; look += 1) {
      assert.doesNotMatch(await window.ghost(), /^a - b$/);
      await window.page.waitForTimeout(50);
    }
    await window.press('Escape');
    const text = await window.saved('on.py', /return max\(/);
    assert.doesNotMatch(text, /a - b/);
  },

  async 'Ctrl+Right takes one word'(bench) {
    const window = await ghost(bench, 'word.py');
    await window.press('Control+ArrowRight');
    await window.waitGhost(/^ ?- b/);
    await window.saved('word.py', /return a ?$/m);
    await window.press('Escape');
  },

  async 'a line is taken by the command'(bench) {
    const window = await ghost(bench, 'line.py');
    await window.press('Control+Alt+l');
    await window.saved('line.py', /return a - b/);
  },

  async 'Esc sends it away'(bench) {
    const window = await ghost(bench, 'escape.py');
    await window.press('Escape');
    await window.noGhost();
    assert.doesNotMatch(await window.saved('escape.py', /return/), /a - b/);
  },

  async 'Alt+\\ asks where nothing was typed and Alt+] shows another'(bench) {
    const window = await bench.first('ask.py', `${shop}    return `);
    await window.ready();
    await window.page.waitForTimeout(500);
    await window.press('Alt+\\');
    const first = await window.waitGhost(/\S/);
    await window.press('Alt+]');
    const second = await window.waitGhost(new RegExp(`^(?!${escaped(first)}$).*\\S`, 's'));
    assert.notEqual(second, first);
    await window.press('Alt+[');
    await window.waitGhost(new RegExp(`^${escaped(first)}$`));
    await window.press('Escape');
  },

  async 'where the cursor rests the prompt is read before a key comes'(bench) {
    const lines = Array.from({ length: 150 }, (_, number) => `name_${number} = ${number * 37}\n`).join('');
    const window = await bench.first('rests.py', lines);
    await window.ready();
    const evaluated = async () => (await bench.daemonStatus()).models.reduce((sum, { engine }) => sum + (engine?.evaluated ?? 0), 0);
    // After some places where nothing is typed nothing more is read: typing makes it begin again.
    await window.type('x');
    await window.page.waitForTimeout(3000);
    const before = await evaluated();
    await window.press('Control+Home');
    await until(async () => (await evaluated()) > before + 100, 'the prompt for the first line is read');
  },

  async 'the picture for the README'(bench) {
    const text = 'class Inventory:\n    """What is in stock, by name."""\n\n    def __init__(self):\n        self.items = {}\n\n'
      + '    def add(self, name, quantity):\n        """Add a quantity of an item."""\n'
      + '        self.items[name] = self.items.get(name, 0) + quantity\n\n'
      + '    def remove(self, name, quantity):\n        """Remove a quantity of an item; its last one removes the item."""\n';
    const window = await bench.first('inventory.py', text);
    await window.ready();
    await window.type('        self.items[name]');
    await window.waitGhost(/\S/);
    await window.ready();
    await window.page.waitForTimeout(700);
    await bench.screenshot('picture', { x: 48, y: 0, width: 1232, height: 720 });
    copyFileSync(path.join(bench.out, 'picture.png'), path.join(bench.out, 'vscode.png'));
    await window.press('Escape');
  },
};

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
