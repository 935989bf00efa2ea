// Docstrings: written by a command, or shown first, for one item or for all; asked for anew, and stopped.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';
import { scales as text } from './texts.mjs';

const many = Array.from({ length: 300 }, (_, number) => `def f${number}(x):\n    return x\n`).join('\n\n');

export default {
  async 'a docstring is written by its command'(bench) {
    const window = await bench.first('doc.py', text);
    await window.ready();
    await window.press('Control+Home');
    await window.command('Foretype: Write Docstring');
    await window.patiently(async () => (await window.saved('doc.py', /def scale/)).includes('"""'), 'a docstring');
  },

  async 'the docstring at the cursor is shown first and another is asked for'(bench) {
    const window = await bench.first('shown.py', text);
    await window.ready();
    await window.press('Control+Home');
    await window.command('Foretype: Preview Docstring');
    await window.offered('Accept 1 of 1');
    await window.lens('Another').click();
    await window.previewGone('shown.py');
    await window.offered('Accept 1 of 1');
    assert.equal(bench.read('shown.py'), text);
    await window.lens('Accept 1 of 1').click();
    await window.previewGone('shown.py');
    await window.focus('shown.py');
    const written = await window.saved('shown.py', /"""/);
    assert.match(written, /^def scale\(values, factor\):\n    """[\s\S]*values: [\s\S]*factor: [\s\S]*"""\n    return/);
    assert.ok(written.endsWith(text.slice(text.indexOf('    return ['))), written);
    await window.press('Control+Z');
    assert.equal(await window.saved('shown.py', /^(?![\s\S]*""")/), text);
  },

  async 'missing docstrings are shown before they are written'(bench) {
    const window = await bench.first('missing.py', text);
    await window.ready();
    await window.command('Foretype: Preview All Missing Docstrings');
    await window.offered('Accept 2 of 2');
    await bench.screenshot('docstrings');
    await window.lens('Accept 1 of 2').click();
    await window.lens('Accept 1 of 2').waitFor({ state: 'detached' });
    await window.lens('Reject').click();
    await window.previewGone('missing.py');
    await window.focus('missing.py');
    const after = await window.saved('missing.py', /"""/);
    assert.match(after, /^def scale\(values, factor\):\n    """[\s\S]*"""\n    return/);
    assert.ok(after.endsWith(text.slice(text.indexOf('def largest'))), after);
  },

  async 'docstrings that no longer match their signatures are brought up to date'(bench) {
    const [docstring, right] = ['"""Make them larger.\n\n    Args:\n        values: Any\n            numbers.\n', '    Returns:\n        New ones.\n    """\n'];
    const code = (part) => `def scale(values, factor):\n    ${docstring}${part}\n${right}    return [value * factor for value in values]\n`;
    const window = await bench.first('outdated.py', code('        ratio: How much.\n'));
    await window.ready();
    await window.command('Foretype: Preview Updates of Docstrings');
    await window.offered('Accept 1 of 1');
    await bench.screenshot('docstrings updated');
    await window.lens('Accept 1 of 1').click();
    await window.previewGone('outdated.py');
    await window.focus('outdated.py');
    const after = await window.saved('outdated.py', /        factor: /);
    const word = /        factor: .+\n/.exec(after)[0];
    assert.equal(after, code(word));
  },

  async 'what is ready while somebody works in another document waits to be shown'(bench) {
    const window = await bench.first('long.py', Array.from({ length: 2 }, () => text).join('\n\n'));
    await window.ready();
    bench.write('other.py', '');
    await window.command('Foretype: Preview All Missing Docstrings');
    await window.openFile('other.py');
    await window.type('# here');
    const message = await window.notification('the change for long.py is ready');
    await window.tab('other.py').and(window.page.locator('.active')).waitFor();
    assert.equal(await window.saved('other.py', /here/), '# here');
    await message.hover();
    await message.locator('.monaco-button:has-text("Show")').first().click();
    await window.offered('Accept 1 of 4');
    await window.press('Control+Shift+Backspace');
    await window.previewGone('long.py');
  },

  async 'docstrings of a whole file show how far they are and are stopped'(bench) {
    const model = `${bench.home}/stub-docstrings`;
    bench.writeStubModel(model, 'It scales.\n');
    bench.machineSettings({ 'foretype.model': model });
    const window = await bench.first('many.py', many);
    await window.waitStatus(/stub-docstrings/);
    await window.command('Foretype: Preview All Missing Docstrings');
    const message = await window.notification('/300 f');
    await bench.screenshot('docstrings being written');
    await message.hover();
    await message.locator('a:has-text("Cancel"), .monaco-button:has-text("Cancel")').first().click();
    await message.waitFor({ state: 'detached' });
    assert.equal(await window.tab('Preview of many.py').count(), 0);
    await window.focus('many.py');
    assert.equal(await window.saved('many.py', /f299/), many);
    bench.machineSettings({});
  },
};
