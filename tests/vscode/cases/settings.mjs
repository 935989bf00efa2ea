// Switched off and on: for a language, everywhere, for a while, and in the editor itself.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

const shop = 'def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return';

export default {
  async 'the menu of the status bar item offers what one may do'(bench) {
    const window = await bench.first('menu.py', shop);
    await window.ready();
    const lines = (await window.menu()).join('\n');
    await bench.screenshot('menu');
    for (const line of ['Turn off everywhere', 'Turn off for python', 'Snooze', 'Show plugins', 'Show log', 'Restart', 'Open settings', 'Open walkthrough']) {
      assert.ok(lines.includes(line), `${line} is not among\n${lines}`);
    }
    await window.press('Escape');
  },

  async 'a language that is switched off gets nothing, and again something when it is on'(bench) {
    const window = await bench.first('off.py', shop);
    await window.ready();
    await window.menu();
    await window.choose('Turn off for python');
    const item = await window.waitStatus(/off for python/);
    assert.match(item.icon, /circle-slash/);
    assert.deepEqual(bench.userSettings()['foretype.enable'], { python: false });
    await window.focus('off.py');
    await window.type(' ');
    await window.press('Alt+\\');
    await window.noGhost(3000);
    await bench.screenshot('off for python');
    await window.command('Turn Suggestions On or Off for This Language');
    await window.ready();
    await window.focus('off.py');
    await window.press('Backspace');
    await window.type(' ');
    await window.waitGhost(/a - b/);
    await window.press('Escape');
  },

  async 'everywhere switches off what was named as on'(bench) {
    bench.settings({ 'foretype.enable': { python: true, markdown: false } });
    const window = await bench.first('everywhere.py', shop);
    await window.ready();
    await window.command('Foretype: Turn Suggestions On or Off');
    await window.waitStatus(/off for every language/);
    await until(() => bench.userSettings()['foretype.enable']['*'] === false, 'the setting is written');
    assert.deepEqual(bench.userSettings()['foretype.enable'], { '*': false, markdown: false });
    bench.settings({});
  },

  async 'snoozed, it is quiet until it is told to resume'(bench) {
    const window = await bench.first('snooze.py', shop);
    await window.ready();
    await window.command('Foretype: Snooze');
    await window.choose('15 minutes');
    assert.match((await window.waitStatus(/snoozed until/)).icon, /debug-pause/);
    await window.focus('snooze.py');
    await window.type(' ');
    await window.noGhost(2000);
    await window.command('Foretype: Resume');
    await window.ready();
    await window.focus('snooze.py');
    await window.press('Backspace');
    await window.type(' ');
    await window.waitGhost(/a - b/);
    await window.press('Escape');
  },

  async 'on demand, it waits for Alt+\\'(bench) {
    bench.settings({ 'foretype.inline.trigger': 'manual' });
    const window = await bench.first('manual.py', shop);
    await window.waitStatus(/on demand/);
    await window.type(' ');
    await window.noGhost(2000);
    await window.press('Alt+\\');
    await window.waitGhost(/\S/);
    await window.press('Escape');
    bench.settings({});
  },

  async 'a file that usually holds secrets gets nothing, and the status says why'(bench) {
    const window = await bench.first('.env', 'PASSWORD=');
    await window.waitStatus(/off here: .*secrets/);
    await window.type('x');
    await window.noGhost(1500);
  },

  async 'the walkthrough opens'(bench) {
    const window = await bench.first('walk.py', shop);
    await window.command('Foretype: Open Walkthrough');
    await window.page.waitForSelector('.gettingStartedContainer:has-text("Get started with Foretype")');
    await bench.screenshot('walkthrough');
    const steps = await window.page.locator('.gettingStartedContainer .step-title').allInnerTexts();
    assert.equal(steps.length, 4, steps.join(', '));
  },

  async 'the log opens'(bench) {
    const window = await bench.first('log.py', shop);
    await window.command('Foretype: Show Log');
    await window.page.waitForSelector('.part.panel .view-line:has-text("starting")');
    await window.press('Control+J');
  },
};
