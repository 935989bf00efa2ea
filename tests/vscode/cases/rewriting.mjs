// Code that the model writes: previews whose hunks are accepted or rejected, and translations in a new document. The
// model is the stub model, so that its reply is known.
import assert from 'node:assert/strict';
import { waitFor } from '../window.mjs';

/** The file before the edit. */
const text = `import math


def area(radius):
    square = radius * radius
    # The constant.
    pi = 3
    return pi * square
`;
/** The reply of the model: two hunks. */
const reply = `def area(radius):
    square = radius ** 2
    # The constant.
    pi = math.pi
    return pi * square
`;
const firstAccepted = text.replace('radius * radius', 'radius ** 2');
const bothAccepted = firstAccepted.replace('pi = 3', 'pi = math.pi');

let stubModels = 0;
/** The reply and the settings for which the current stub model was set up. */
let setup;

async function editorText(window) {
  const lines = window.page.locator('.editor-instance .view-lines').first();
  return (await lines.innerText()).replace(/\u00a0/g, ' ');
}

function waitForLine(window, number) {
  const statusBar = window.page.locator('.statusbar');
  const isOnLine = async () => (await statusBar.innerText()).includes(`Ln ${number},`);
  return waitFor(isOnLine, `the cursor is on line ${number}`);
}

/** Opens a file in a window whose model generates `reply`. */
async function openWithReply(env, name, reply, settings = {}, content = text) {
  const key = JSON.stringify([reply, settings]);
  if (setup?.key !== key || setup.settingsVersion !== env.settingsVersion) {
    stubModels += 1;
    const model = `${env.home}/stub-${stubModels}`;
    env.writeStubModel(model, reply);
    const limits = { 'foretype.ask.maxTokens': 32768, 'foretype.ask.contextTokens': 65536 };
    env.writeMachineSettings({ 'foretype.model': model, ...limits });
    env.writeUserSettings(settings);
    setup = { key, settingsVersion: env.settingsVersion };
  }
  const window = await env.sharedWindow(name, content);
  await window.waitForStatus(new RegExp(`stub-${stubModels}`));
  return window;
}

/** Selects the function and requests an edit. */
async function requestEdit(window) {
  await window.press('Control+Home');
  for (let line = 0; line < 3; line += 1) await window.press('ArrowDown');
  await window.press('Control+Shift+End');
  await window.command('Foretype: Edit…');
  await window.page.waitForSelector('.quick-input-widget:has-text("What should change?")');
  await window.type('Be exact.');
  await window.press('Enter');
}

/** Requests an edit and waits for its preview. */
async function openPreview(window) {
  await requestEdit(window);
  await window.waitForLens('Accept 1 of 2');
  await window.waitForLens('Accept 2 of 2');
}

/** Waits until the first of two hunks is decided. */
async function waitForSecondHunk(window) {
  await window.lens('Accept 1 of 2').waitFor({ state: 'detached' });
  await window.waitForLens('Accept 2 of 2');
}

export default {
  async 'an edit is previewed, and its hunks are accepted one by one'(env) {
    const window = await openWithReply(env, 'hunks.py', reply);
    await openPreview(window);
    const all = await editorText(window);
    for (const line of ['square = radius * radius', 'square = radius ** 2', 'pi = 3', 'pi = math.pi']) {
      assert.ok(all.includes(line), `${line} is not in\n${all}`);
    }
    await waitForLine(window, 5);
    await env.screenshot('vscode preview', { x: 352, y: 30, width: 928, height: 300 });
    assert.equal(env.readFile('hunks.py'), text);
    await window.lens('Accept 1 of 2').click();
    await waitForSecondHunk(window);
    await waitForLine(window, 7);
    await env.screenshot('preview of what is left');
    const left = await editorText(window);
    assert.ok(!left.includes('radius * radius'), left);
    assert.ok(left.includes('pi = 3') && left.includes('pi = math.pi'), left);
    await window.tab('hunks.py').click();
    await window.focus('hunks.py');
    assert.equal(await window.save('hunks.py', /radius \*\* 2/), firstAccepted);
    await window.lens('Accept').waitFor({ state: 'detached' });
    await window.previewTab('hunks.py').click();
    await window.lens('Reject').click();
    await window.waitForPreviewToClose('hunks.py');
    await window.focus('hunks.py');
    assert.equal(await window.save('hunks.py', /radius \*\* 2/), firstAccepted);
    await window.press('Control+Z');
    assert.equal(await window.save('hunks.py', /radius \* radius/), text);
  },

  async 'undoing an accepted hunk returns it to the preview'(env) {
    const window = await openWithReply(env, 'undo.py', reply);
    await openPreview(window);
    await window.press('Control+Enter');
    await waitForSecondHunk(window);
    await window.tab('undo.py').click();
    await window.focus('undo.py');
    await window.press('Control+Z');
    await window.previewTab('undo.py').click();
    await window.waitForLens('Accept 1 of 2');
    await window.tab('undo.py').click();
    await window.focus('undo.py');
    await window.press('Control+Shift+Z');
    await window.previewTab('undo.py').click();
    await waitForSecondHunk(window);
    await window.press('Control+Enter');
    await window.waitForPreviewToClose('undo.py');
    await window.focus('undo.py');
    assert.equal(await window.save('undo.py', /math\.pi/), bothAccepted);
    await window.press('Control+Z');
    assert.equal(await window.save('undo.py', /pi = 3/), firstAccepted, 'each accepted hunk is one undo step');
  },

  async 'all hunks are accepted in one undo step, or rejected'(env) {
    const window = await openWithReply(env, 'all.py', reply);
    await openPreview(window);
    await window.press('Control+Shift+Enter');
    await window.waitForPreviewToClose('all.py');
    await window.focus('all.py');
    assert.equal(await window.save('all.py', /math\.pi/), bothAccepted);
    await window.press('Control+Z');
    assert.equal(await window.save('all.py', /pi = 3/), text);
    await openPreview(window);
    await window.press('Control+Shift+Backspace');
    await window.waitForPreviewToClose('all.py');
    await window.focus('all.py');
    assert.equal(await window.save('all.py', /pi = 3/), text);
  },

  async 'keys move between hunks, and each key press decides one'(env) {
    const window = await openWithReply(env, 'keys.py', reply);
    await openPreview(window);
    await window.press('Alt+F5');
    await waitForLine(window, 8);
    await window.press('Alt+F5');
    await waitForLine(window, 5);
    await window.press('Shift+Alt+F5');
    await waitForLine(window, 8);
    await window.press('Control+Backspace');
    await window.lens('Accept 2 of 2').waitFor({ state: 'detached' });
    await window.press('Control+Enter');
    await window.waitForPreviewToClose('keys.py');
    await window.focus('keys.py');
    assert.equal(await window.save('keys.py', /radius \*\* 2/), firstAccepted);
    await window.press('Control+Z');
    await openPreview(window);
    for (let press = 0; press < 2; press += 1) await window.press('Control+Enter');
    await window.waitForPreviewToClose('keys.py');
    await window.focus('keys.py');
    assert.equal(await window.save('keys.py', /math\.pi/), bothAccepted);
  },

  async 'editing the document closes the preview'(env) {
    const window = await openWithReply(env, 'typing.py', reply);
    await openPreview(window);
    await window.press('Control+Enter');
    await waitForSecondHunk(window);
    await window.tab('typing.py').click();
    await window.focus('typing.py');
    // Outside the preview, the key keeps its usual meaning and starts a new line.
    await window.press('Control+Enter');
    await window.type('# mine');
    await window.waitForNotification('remaining hunks were dropped');
    await window.waitForPreviewToClose('typing.py');
    assert.equal(await window.save('typing.py', /mine/), `${firstAccepted}\n# mine`);
  },

  async 'closing the document closes the preview'(env) {
    const window = await openWithReply(env, 'closed.py', reply);
    await openPreview(window);
    await window.tab('closed.py').click({ button: 'middle' });
    await window.waitForNotification('the document was closed');
    await window.waitForPreviewToClose('closed.py');
    assert.equal(env.readFile('closed.py'), text);
  },

  async 'a restart of the extension host closes previews'(env) {
    const window = await openWithReply(env, 'restart.py', reply);
    await openPreview(window);
    const hosts = env.processes('node').filter(({ args }) => args.includes('--type=extensionHost'));
    for (const { id } of hosts) process.kill(id, 'SIGKILL');
    await window.waitForPreviewToClose('restart.py');
    assert.equal(env.readFile('restart.py'), text);
  },

  async 'line endings are kept, and so is a last line without one'(env) {
    const withCrlf = (lines) => lines.trimEnd().replaceAll('\n', '\r\n');
    const swapped = (lines) => lines.replace('pi * square', 'square * pi');
    const window = await openWithReply(env, 'ends.py', swapped(reply), {}, withCrlf(text));
    await requestEdit(window);
    await window.waitForLens('Accept 2 of 2');
    await window.press('Control+Enter');
    await waitForSecondHunk(window);
    await window.press('Control+Enter');
    await window.waitForPreviewToClose('ends.py');
    await window.focus('ends.py');
    assert.equal(await window.save('ends.py', /square \* pi/), withCrlf(swapped(bothAccepted)));
    await window.press('Control+Z');
    await window.press('Control+Z');
    assert.equal(await window.save('ends.py', /pi = 3/), withCrlf(text));
  },

  async 'a preview is shown in a light theme'(env) {
    const window = await openWithReply(env, 'light.py', reply, { 'workbench.colorTheme': 'Default Light Modern' });
    await openPreview(window);
    await env.screenshot('preview light');
    await window.press('Control+Shift+Backspace');
    await window.waitForPreviewToClose('light.py');
  },

  async 'a preview is shown in a high-contrast theme'(env) {
    const window = await openWithReply(env, 'contrast.py', reply, { 'workbench.colorTheme': 'Default High Contrast' });
    await openPreview(window);
    await env.screenshot('preview contrast');
  },

  async 'a code action generates the code for a comment'(env) {
    const window = await openWithReply(env, 'comment.py', 'pi = math.pi\n');
    await window.press('Control+Home');
    for (let line = 0; line < 5; line += 1) await window.press('ArrowDown');
    const action = window.page.locator('.action-widget .monaco-list-row:has-text("Generate code for this line")');
    // VS Code requests code actions for the light bulb after the cursor moves, which may cancel the request of the key.
    await waitFor(async () => {
      await window.press('Control+.');
      return action.waitFor({ timeout: 3000 }).then(() => true, () => false);
    }, 'the action is offered');
    await action.click();
    await window.lens('Accept 1 of 1').click();
    await window.waitForPreviewToClose('comment.py');
    await window.focus('comment.py');
    const expected = text.replace('constant.\n', 'constant.\n    pi = math.pi\n');
    assert.equal(await window.save('comment.py', /math\.pi/), expected);
  },

  async 'an edit shows its progress and can be cancelled'(env) {
    const window = await openWithReply(env, 'stopped.py', '');
    await requestEdit(window);
    const notification = await window.waitForNotification('characters: again');
    await env.screenshot('writing');
    await notification.hover();
    await notification.locator('a:has-text("Cancel"), .monaco-button:has-text("Cancel")').first().click();
    await notification.waitFor({ state: 'detached' });
    assert.equal(await window.previewTab('stopped.py').count(), 0);
    await requestEdit(window);
    await window.waitForNotification('characters: again');
    await window.focus('stopped.py');
    await window.type('# mine');
    await window.waitForNotification('changed in the meantime');
    assert.equal(await window.save('stopped.py', /mine/), `${text}# mine`);
    assert.equal(await window.previewTab('stopped.py').count(), 0);
  },

  async 'comments are translated, and code stays unchanged'(env) {
    const window = await openWithReply(env, 'spoken.py', 'Die Zahl pi ist hier nur drei.\n');
    await window.command('Foretype: Translate Comments to…');
    await window.choose('Deutsch');
    await window.lens('Accept 1 of 1').click();
    await window.waitForPreviewToClose('spoken.py');
    const after = await window.save('spoken.py', /Zahl/);
    assert.equal(after, text.replace('The constant.', 'Die Zahl pi ist hier nur drei.'));
    env.writeMachineSettings({});
  },

  async 'a translation opens as a new document'(env) {
    const window = await openWithReply(env, 'translated.py', 'function area(radius) {\n  return radius;\n}\n');
    await window.command('Foretype: Translate to…');
    await window.choose('JavaScript');
    await window.page.waitForSelector('.view-line:has-text("function")');
    await window.page.waitForSelector('.statusbar-item:has-text("JavaScript")');
    await env.screenshot('translation');
    assert.equal(env.readFile('translated.py'), text);
    env.writeMachineSettings({});
  },
};
