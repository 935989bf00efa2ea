// Turning suggestions on and off by language, everywhere and for a while; the manual trigger; the status menu.
import assert from 'node:assert/strict';
import { waitFor } from '../window.mjs';

const shop = 'def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return';

export default {
  async 'the status bar item has a menu'(env) {
    const window = await env.sharedWindow('menu.py', shop);
    await window.waitUntilReady();
    const lines = (await window.menu()).join('\n');
    await env.screenshot('menu');
    const expected = [
      'Turn off everywhere', 'Turn off for python', 'Snooze', 'Show plugins', 'Show log', 'Restart', 'Open settings',
      'Open walkthrough',
    ];
    for (const line of expected) assert.ok(lines.includes(line), `${line} is not among\n${lines}`);
    await window.press('Escape');
  },

  async 'a disabled language gets no suggestions until it is enabled again'(env) {
    const window = await env.sharedWindow('off.py', shop);
    await window.waitUntilReady();
    await window.menu();
    await window.choose('Turn off for python');
    const item = await window.waitForStatus(/off for python/);
    assert.match(item.icon, /circle-slash/);
    assert.deepEqual(env.readUserSettings()['foretype.enable'], { python: false });
    await window.focus('off.py');
    await window.type(' ');
    await window.press('Alt+\\');
    await window.expectNoGhost(3000);
    await env.screenshot('off for python');
    await window.command('Turn Suggestions On or Off for This Language');
    await window.waitUntilReady();
    await window.focus('off.py');
    await window.press('Backspace');
    await window.type(' ');
    await window.waitForGhost(/a - b/);
    await window.press('Escape');
  },

  async 'turning off everywhere overrides languages that are listed as enabled'(env) {
    env.writeUserSettings({ 'foretype.enable': { python: true, markdown: false } });
    const window = await env.sharedWindow('everywhere.py', shop);
    await window.waitUntilReady();
    await window.command('Foretype: Turn Suggestions On or Off');
    await window.waitForStatus(/off for every language/);
    await waitFor(() => env.readUserSettings()['foretype.enable']['*'] === false, 'the setting is written');
    assert.deepEqual(env.readUserSettings()['foretype.enable'], { '*': false, markdown: false });
    env.writeUserSettings({});
  },

  async 'there are no suggestions while snoozed, until resumed'(env) {
    const window = await env.sharedWindow('snooze.py', shop);
    await window.waitUntilReady();
    await window.command('Foretype: Snooze');
    await window.choose('15 minutes');
    assert.match((await window.waitForStatus(/snoozed until/)).icon, /debug-pause/);
    await window.focus('snooze.py');
    await window.type(' ');
    await window.expectNoGhost(2000);
    await window.command('Foretype: Resume');
    await window.waitUntilReady();
    await window.focus('snooze.py');
    await window.press('Backspace');
    await window.type(' ');
    await window.waitForGhost(/a - b/);
    await window.press('Escape');
  },

  async 'with the manual trigger, suggestions wait for Alt+\\'(env) {
    env.writeUserSettings({ 'foretype.inline.trigger': 'manual' });
    const window = await env.sharedWindow('manual.py', shop);
    await window.waitForStatus(/on demand/);
    await window.type(' ');
    await window.expectNoGhost(2000);
    await window.press('Alt+\\');
    await window.waitForGhost(/\S/);
    await window.press('Escape');
    env.writeUserSettings({});
  },

  async 'a file that usually contains secrets gets no suggestions, and the status gives the reason'(env) {
    const window = await env.sharedWindow('.env', 'PASSWORD=');
    await window.waitForStatus(/off for this file: .*secrets/);
    await window.type('x');
    await window.expectNoGhost(1500);
  },

  async 'the walkthrough opens'(env) {
    const window = await env.sharedWindow('walk.py', shop);
    await window.command('Foretype: Open Walkthrough');
    await window.page.waitForSelector('.gettingStartedContainer:has-text("Get started with Foretype")');
    await env.screenshot('walkthrough');
    const steps = await window.page.locator('.gettingStartedContainer .step-title').allInnerTexts();
    assert.equal(steps.length, 4, steps.join(', '));
  },

  async 'the log opens'(env) {
    const window = await env.sharedWindow('log.py', shop);
    await window.command('Foretype: Show Log');
    await window.page.waitForSelector('.part.panel .view-line:has-text("starting")');
    await window.press('Control+J');
  },
};
