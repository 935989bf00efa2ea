// Docstrings: written directly or previewed, for one item or a whole file; updated, regenerated and cancelled.
import assert from 'node:assert/strict';
import { waitFor } from '../window.mjs';
import { scales as text } from './texts.mjs';

/** More functions than the model documents before the case cancels it. */
const manyFunctions = Array.from({ length: 300 }, (_, number) => `def f${number}(x):\n    return x\n`).join('\n\n');

export default {
  async 'the command writes a docstring'(env) {
    const window = await env.sharedWindow('doc.py', text);
    await window.waitUntilReady();
    await window.press('Control+Home');
    await window.command('Foretype: Write Docstring');
    await window.waitForModel(async () => (await window.save('doc.py', /def scale/)).includes('"""'), 'a docstring');
  },

  async 'a docstring at the cursor can be previewed and regenerated'(env) {
    const window = await env.sharedWindow('shown.py', text);
    await window.waitUntilReady();
    await window.press('Control+Home');
    await window.command('Foretype: Preview Docstring');
    await window.waitForLens('Accept 1 of 1');
    await window.lens('Another').click();
    await window.waitForPreviewToClose('shown.py');
    await window.waitForLens('Accept 1 of 1');
    assert.equal(env.readFile('shown.py'), text);
    await window.lens('Accept 1 of 1').click();
    await window.waitForPreviewToClose('shown.py');
    await window.focus('shown.py');
    const written = await window.save('shown.py', /"""/);
    assert.match(written, /^def scale\(values, factor\):\n    """[\s\S]*values: [\s\S]*factor: [\s\S]*"""\n    return/);
    assert.ok(written.endsWith(text.slice(text.indexOf('    return ['))), written);
    await window.press('Control+Z');
    assert.equal(await window.save('shown.py', /^(?![\s\S]*""")/), text);
  },

  async 'missing docstrings are previewed and accepted one by one'(env) {
    const window = await env.sharedWindow('missing.py', text);
    await window.waitUntilReady();
    await window.command('Foretype: Preview All Missing Docstrings');
    await window.waitForLens('Accept 2 of 2');
    await env.screenshot('docstrings');
    await window.lens('Accept 1 of 2').click();
    await window.lens('Accept 1 of 2').waitFor({ state: 'detached' });
    await window.lens('Reject').click();
    await window.waitForPreviewToClose('missing.py');
    await window.focus('missing.py');
    const after = await window.save('missing.py', /"""/);
    assert.match(after, /^def scale\(values, factor\):\n    """[\s\S]*"""\n    return/);
    assert.ok(after.endsWith(text.slice(text.indexOf('def largest'))), after);
  },

  async 'docstrings that no longer match their signatures are updated'(env) {
    const start = '"""Make them larger.\n\n    Args:\n        values: Any\n            numbers.\n';
    const end = '    Returns:\n        New ones.\n    """\n';
    const code = (argument) =>
      `def scale(values, factor):\n    ${start}${argument}\n${end}    return [value * factor for value in values]\n`;
    const window = await env.sharedWindow('outdated.py', code('        ratio: How much.\n'));
    await window.waitUntilReady();
    await window.command('Foretype: Preview Updates of Docstrings');
    await window.waitForLens('Accept 1 of 1');
    await env.screenshot('docstrings updated');
    await window.lens('Accept 1 of 1').click();
    await window.waitForPreviewToClose('outdated.py');
    await window.focus('outdated.py');
    const after = await window.save('outdated.py', /        factor: /);
    const argument = /        factor: .+\n/.exec(after)[0];
    assert.equal(after, code(argument));
  },

  async 'a preview that is ready while the user is in another document asks before it opens'(env) {
    const window = await env.sharedWindow('long.py', Array.from({ length: 2 }, () => text).join('\n\n'));
    await window.waitUntilReady();
    env.writeFile('other.py', '');
    await window.command('Foretype: Preview All Missing Docstrings');
    await window.openFile('other.py');
    await window.type('# here');
    const notification = await window.waitForNotification('the change for long.py is ready');
    await window.tab('other.py').and(window.page.locator('.active')).waitFor();
    assert.equal(await window.save('other.py', /here/), '# here');
    await notification.hover();
    await notification.locator('.monaco-button:has-text("Show")').first().click();
    await window.waitForLens('Accept 1 of 4');
    await window.press('Control+Shift+Backspace');
    await window.waitForPreviewToClose('long.py');
  },

  async 'docstrings of a whole file show their progress and can be cancelled'(env) {
    const model = `${env.home}/stub-docstrings`;
    env.writeStubModel(model, 'It scales.\n');
    env.writeMachineSettings({ 'foretype.model': model });
    const window = await env.sharedWindow('many.py', manyFunctions);
    await window.waitForStatus(/stub-docstrings/);
    await window.command('Foretype: Preview All Missing Docstrings');
    const notification = await window.waitForNotification('/300 f');
    await env.screenshot('docstrings being written');
    await notification.hover();
    await notification.locator('a:has-text("Cancel"), .monaco-button:has-text("Cancel")').first().click();
    await notification.waitFor({ state: 'detached' });
    assert.equal(await window.tab('Preview of many.py').count(), 0);
    await window.focus('many.py');
    assert.equal(await window.save('many.py', /f299/), manyFunctions);
    env.writeMachineSettings({});
  },
};
