// Code that the model writes: shown as a diff, taken or turned down by pieces; translations in a document of their own. What is
// written is known: the model is the parrot, which says what it is told to.
import { execFileSync } from 'node:child_process';
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

const text = `import math


def area(radius):
    square = radius * radius
    # The constant.
    pi = 3
    return pi * square
`;
const written = `def area(radius):
    square = radius ** 2
    # The constant.
    pi = math.pi
    return pi * square
`;
const first = text.replace('radius * radius', 'radius ** 2');
const both = first.replace('pi = 3', 'pi = math.pi');

const lens = (window, title) => window.page.locator(`.codelens-decoration a:has-text("${title}")`).first();
const shown = async (window) => (await window.page.locator('.editor-instance .view-lines').first().innerText()).replace(/\u00a0/g, ' ');
const tabs = (window) => window.page.locator('.tabs-container .tab').count();
let parrots = 0;

/** A window whose model says this. */
async function open(bench, name, says) {
  parrots += 1;
  const model = `${bench.home}/parrot-${parrots}`;
  execFileSync('python3', ['tests/parrot.py', model, says]);
  bench.machineSettings({ 'foretype.model': model, 'foretype.ask.maxTokens': 3000 });
  const window = await bench.first(name, text);
  await window.waitStatus(new RegExp(`parrot-${parrots}`));
  return window;
}

/** Selects the function and says how it is to be changed. */
async function edit(window) {
  await window.press('Control+Home');
  for (let line = 0; line < 3; line += 1) await window.press('ArrowDown');
  await window.press('Control+Shift+End');
  await window.command('Foretype: Edit…');
  await window.page.waitForSelector('.quick-input-widget:has-text("What is to be changed?")');
  await window.type('Be exact.');
  await window.press('Enter');
}

export default {
  async 'an edit is shown as a diff and taken by pieces'(bench) {
    const window = await open(bench, 'pieces.py', written);
    await edit(window);
    await lens(window, 'Accept 1 of 2').waitFor();
    await lens(window, 'Accept 2 of 2').waitFor();
    const all = await shown(window);
    for (const line of ['square = radius * radius', 'square = radius ** 2', 'pi = 3', 'pi = math.pi']) assert.ok(all.includes(line), `${line} is not in\n${all}`);
    await bench.screenshot('preview');
    assert.equal(bench.read('pieces.py'), text);
    await lens(window, 'Accept 1 of 2').click();
    await until(async () => (await lens(window, 'Accept 1 of 2').count()) === 0 && (await lens(window, 'Accept 2 of 2').count()) === 1, 'one is left');
    await lens(window, 'Reject').click();
    await until(async () => (await lens(window, 'Reject').count()) === 0, 'the preview goes');
    await window.focus('pieces.py');
    assert.equal(await window.saved('pieces.py', /radius \*\* 2/), first);
    await window.press('Control+Z');
    assert.equal(await window.saved('pieces.py', /radius \* radius/), text);
  },

  async 'all pieces are taken by a key in one step of undo'(bench) {
    const window = await open(bench, 'all.py', written);
    await edit(window);
    await lens(window, 'Accept 1 of 2').waitFor();
    await window.press('Control+Shift+Enter');
    await until(async () => (await lens(window, 'Reject').count()) === 0, 'the preview goes');
    await window.focus('all.py');
    assert.equal(await window.saved('all.py', /math\.pi/), both);
    await window.press('Control+Z');
    assert.equal(await window.saved('all.py', /pi = 3/), text);
  },

  async 'typing in the document drops the preview'(bench) {
    const window = await open(bench, 'typing.py', written);
    await edit(window);
    await lens(window, 'Accept 1 of 2').waitFor();
    await window.press('Control+Enter');
    await until(async () => (await lens(window, 'Accept 1 of 2').count()) === 0, 'one is taken');
    const before = await tabs(window);
    await window.openFile('typing.py');
    await window.type('# mine');
    await window.notification('was not accepted of the preview is dropped');
    await until(async () => (await tabs(window)) === before - 1, 'its tab goes');
    assert.equal(await window.saved('typing.py', /mine/), `${first}# mine`);
  },

  async 'a code action writes the code for a comment'(bench) {
    const window = await open(bench, 'comment.py', 'pi = math.pi\n');
    await window.press('Control+Home');
    for (let line = 0; line < 5; line += 1) await window.press('ArrowDown');
    await window.press('Control+.');
    await window.page.locator('.action-widget .monaco-list-row:has-text("Write the code for this line")').click();
    await lens(window, 'Accept 1 of 1').click();
    await window.focus('comment.py');
    assert.equal(await window.saved('comment.py', /math\.pi/), text.replace('constant.\n', 'constant.\n    pi = math.pi\n'));
  },

  async 'what is being written is seen and stopped'(bench) {
    const window = await open(bench, 'stopped.py', '');
    await edit(window);
    const message = window.page.locator('.notification-list-item:has-text("characters: again")').first();
    await message.waitFor();
    await bench.screenshot('writing');
    await message.hover();
    await message.locator('a:has-text("Cancel"), .monaco-button:has-text("Cancel")').first().click();
    await message.waitFor({ state: 'detached' });
    assert.equal(await shown(window).then((now) => now.includes('again')), false);
    assert.equal(await window.saved('stopped.py', /pi = 3/), text);
  },

  async 'a translation is a document of its own'(bench) {
    const window = await open(bench, 'translated.py', 'function area(radius) {\n  return radius;\n}\n');
    await window.command('Foretype: Translate to…');
    await window.choose('JavaScript');
    await window.page.waitForSelector('.view-line:has-text("function")');
    await window.page.waitForSelector('.statusbar-item:has-text("JavaScript")');
    await bench.screenshot('translation');
    assert.equal(bench.read('translated.py'), text);
    bench.machineSettings({});
  },
};
