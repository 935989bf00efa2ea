// Questions about code: asked, streamed, stopped, gone on with; what is cited is gone to, what is written is inserted.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';
import { scales as text } from './texts.mjs';

const view = (window) => window.page.frameLocator('iframe.webview.ready').frameLocator('iframe#active-frame');

async function open(bench, name) {
  const window = await bench.first(name, text);
  await window.ready();
  return window;
}

/** Waits until the last answer is whole; gives its text. */
async function answered(window) {
  await window.patiently(() => view(window).locator('#again').isVisible(), 'the answer is whole');
  return view(window).locator('.answer').last().innerText();
}

async function ask(window, question) {
  await view(window).locator('#question').fill(question);
  await view(window).locator('#question').press('Enter');
  await view(window).locator('#stop').waitFor({ state: 'visible' });
}

export default {
  async 'a selection is explained in the view and questions follow'(bench) {
    const window = await open(bench, 'explain.py');
    await window.press('Control+A');
    await window.command('Foretype: Explain');
    const lengths = new Set();
    const last = view(window).locator('.answer').last();
    await window.patiently(async () => {
      lengths.add(((await last.count()) ? await last.innerText() : '').length);
      return view(window).locator('#again').isVisible();
    }, 'an answer');
    assert.ok(lengths.size > 3, `it streams: ${[...lengths]}`);
    assert.match(await answered(window), /Read: explain\.py:1-\d+/);
    await ask(window, 'Write a Python function that doubles each value of a list, in a code block.');
    assert.match(await answered(window), /def /);
    assert.equal(await view(window).locator('.question').count(), 2);
    assert.ok((await view(window).locator('pre .keyword').count()) > 0, 'code has colours');
    await bench.screenshot('conversation');
    const code = await view(window).locator('pre').last().textContent();
    await view(window).locator('figure button:has-text("Insert")').last().click();
    await window.saved('explain.py', new RegExp(code.split('\n')[0].replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  },

  async 'a place that the model has read is a link to it'(bench) {
    const window = await open(bench, 'cited.py');
    await window.command('Foretype: Ask About This Code');
    await ask(window, 'Repeat this sentence: The loop begins at cited.py:7.');
    await answered(window);
    const link = view(window).locator('.answer a', { hasText: /^cited\.py:7$/ }).first();
    await link.click();
    await until(async () => /Ln 7,/.test(await window.page.locator('.statusbar').innerText()), 'the cursor is on line 7');
  },

  async 'a long answer is stopped and what a model writes is only text'(bench) {
    const window = await open(bench, 'stop.py');
    await window.command('Foretype: Ask About This Code');
    await ask(window, 'Explain every line of this code at length, with many examples.');
    await until(async () => (await view(window).locator('.answer').last().innerText()).length > 40, 'some of an answer');
    await view(window).locator('#stop').click();
    assert.match(await answered(window), /Stopped\./);
    await ask(window, 'Say yes.');
    await answered(window);
    const markup = 'A <b>bold</b> word, `<i>`\n# <img src="x" onerror="document.title = \'run\'">\n```\n<script>document.title = \'run\'</script>\n```\n[x](javascript:alert)';
    await view(window).locator('body').evaluate((_, data) => window.dispatchEvent(new MessageEvent('message', { data })), { type: 'text', text: markup });
    const shown = view(window).locator('.answer').last();
    await until(async () => (await shown.innerText()).includes('<img src="x"'), 'markup is shown as it is');
    assert.equal(await shown.locator('b, i, img, script, a[href^="javascript"]').count(), 0);
    assert.equal(await view(window).locator('title').textContent(), 'Foretype');
  },

  async 'a stopped question is answered after all, edited, and branched from'(bench) {
    const window = await open(bench, 'edited.py');
    await window.command('Foretype: Ask About This Code');
    await ask(window, 'Explain what this code does.');
    await until(async () => (await view(window).locator('.answer').last().innerText()).length > 10, 'some of an answer');
    await view(window).locator('#stop').click();
    assert.match(await answered(window), /Stopped\./);
    await view(window).locator('#again').click();
    await view(window).locator('#stop').waitFor({ state: 'visible' });
    assert.doesNotMatch(await answered(window), /Stopped\./);
    await ask(window, 'Say yes.');
    await answered(window);
    const questions = view(window).locator('.question');
    assert.equal(await questions.count(), 2);
    await questions.last().hover();
    await questions.last().locator('button:has-text("Edit")').click();
    await until(async () => (await questions.count()) === 1, 'it is being written again');
    assert.equal(await view(window).locator('#question').inputValue(), 'Say yes.');
    await bench.screenshot('editing a question');
    await ask(window, 'Say no.');
    await answered(window);
    await questions.first().hover();
    await questions.first().locator('button:has-text("Branch")').click();
    await until(async () => (await questions.count()) === 1, 'the copy ends there');
    await ask(window, 'Say maybe.');
    await answered(window);
    await window.command('Foretype: Earlier Conversations');
    const kept = window.page.locator('.quick-input-list .monaco-list-row:has-text("Explain what this code does.")');
    await until(async () => (await kept.count()) >= 2, 'the conversation and its copy are kept');
    await window.press('Escape');
  },

  async 'the view reads well in a light theme'(bench) {
    bench.settings({ 'workbench.colorTheme': 'Default Light Modern' });
    const window = await open(bench, 'light.py');
    await window.press('Control+A');
    await window.command('Foretype: Explain');
    await answered(window);
    await ask(window, 'Write a Python function with a comment that doubles each value of a list, in a code block.');
    await answered(window);
    await bench.screenshot('conversation light');
    const pale = await view(window).locator('body').evaluate(() => {
      const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
      const bright = ([red, green, blue]) => [red, green, blue].map((one) => (one / 255 <= 0.03928 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4))
        .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
      const behind = (part) => {
        const [red, green, blue, alpha = 1] = channels(getComputedStyle(part).backgroundColor);
        if (alpha === 1) return [red, green, blue];
        const below = part.parentElement ? behind(part.parentElement) : [255, 255, 255];
        return [red, green, blue].map((one, at) => one * alpha + below[at] * (1 - alpha));
      };
      const texts = [...document.querySelectorAll('#turns *, button, textarea')].filter((part) => part.offsetParent && [...part.childNodes].some((it) => it.nodeType === 3 && it.data.trim()));
      return texts.map((part) => {
        const [one, other] = [bright(channels(getComputedStyle(part).color)), bright(behind(part))].sort((a, b) => b - a);
        return { text: `${part.tagName}.${part.className} ${part.textContent.slice(0, 30)}`, contrast: (one + 0.05) / (other + 0.05) };
      }).filter(({ contrast }) => contrast < 4.5).map(({ text, contrast }) => `${text}: ${contrast.toFixed(1)}`);
    });
    bench.settings({});
    assert.deepEqual(pale, [], 'texts are hard to read');
  },

  async 'an earlier conversation is opened again'(bench) {
    const window = await open(bench, 'earlier.py');
    await window.command('Foretype: Ask About This Code');
    await ask(window, 'Is this the earlier one?');
    const answer = await answered(window);
    await window.command('Foretype: New Conversation');
    await until(async () => (await view(window).locator('.question').count()) === 0, 'an empty view');
    await window.command('Foretype: Earlier Conversations');
    await window.choose('Is this the earlier one?');
    await view(window).locator('.question:has-text("Is this the earlier one?")').waitFor();
    assert.equal((await answered(window)).split('\n')[0], answer.split('\n')[0]);
  },
};
