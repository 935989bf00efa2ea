// Questions about code: streaming, stopping, follow-up questions, citations, inserting code, editing and branching.
import assert from 'node:assert/strict';
import { waitFor } from '../window.mjs';
import { scales as text } from './texts.mjs';

/** The page of the conversation view. */
const view = (window) => window.page.frameLocator('iframe.webview.ready').frameLocator('iframe#active-frame');

async function openReady(env, name) {
  const window = await env.sharedWindow(name, text);
  await window.waitUntilReady();
  return window;
}

/** Waits until the last answer is complete and returns its text. */
async function completeAnswer(window) {
  await window.waitForModel(() => view(window).locator('#regenerate').isVisible(), 'the answer is complete');
  return view(window).locator('.answer').last().innerText();
}

/** Sends a question and waits until its answer begins. A short answer may be complete at once. */
async function ask(window, question) {
  const answers = view(window).locator('.answer');
  const before = await answers.count();
  await view(window).locator('#question').fill(question);
  await view(window).locator('#question').press('Enter');
  await waitFor(async () => (await answers.count()) > before, 'the answer begins');
}

/** Minimum contrast of text: WCAG 2.2, level AA. */
const MIN_CONTRAST = 4.5;

/** Runs in the page; returns the texts whose contrast with their background is below `minimum`. */
function lowContrastTexts(_, minimum) {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const linear = (channel) => {
    const value = channel / 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const background = (node) => {
    const [red, green, blue, alpha = 1] = channels(getComputedStyle(node).backgroundColor);
    if (alpha === 1) return [red, green, blue];
    const below = node.parentElement ? background(node.parentElement) : [255, 255, 255];
    return [red, green, blue].map((channel, index) => channel * alpha + below[index] * (1 - alpha));
  };
  const contrast = (node) => {
    const colours = [channels(getComputedStyle(node).color), background(node)];
    const [dark, light] = colours.map(luminance).sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const hasText = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  return [...document.querySelectorAll('#turns *, button, textarea')]
    .filter((node) => node.offsetParent && hasText(node) && contrast(node) < minimum)
    .map((node) => `${node.tagName}.${node.className} ${node.textContent.slice(0, 30)}: ${contrast(node).toFixed(1)}`);
}

export default {
  async 'a selection is explained in the view, and a follow-up question is answered'(env) {
    const window = await openReady(env, 'explain.py');
    await window.press('Control+A');
    await window.command('Foretype: Explain');
    const lengths = new Set();
    const answer = view(window).locator('.answer').last();
    await window.waitForModel(async () => {
      lengths.add(((await answer.count()) ? await answer.innerText() : '').length);
      return view(window).locator('#regenerate').isVisible();
    }, 'an answer');
    assert.ok(lengths.size > 3, `the answer is not streamed: ${[...lengths]}`);
    assert.match(await completeAnswer(window), /Read: explain\.py:1-\d+/);
    await ask(window, 'Write a Python function that doubles each value of a list, in a code block.');
    assert.match(await completeAnswer(window), /def /);
    assert.equal(await view(window).locator('.question').count(), 2);
    assert.ok((await view(window).locator('pre .keyword').count()) > 0, 'code is not highlighted');
    await env.screenshot('conversation');
    const code = await view(window).locator('pre').last().textContent();
    await view(window).locator('figure button:has-text("Insert")').last().click();
    const firstLine = code.split('\n')[0];
    await window.save('explain.py', new RegExp(firstLine.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  },

  async 'a citation of code that the model read is a link'(env) {
    const window = await openReady(env, 'cited.py');
    await window.command('Foretype: Ask About This Code');
    await ask(window, 'Repeat this sentence: The loop begins at cited.py:7.');
    await completeAnswer(window);
    const link = view(window).locator('.answer a', { hasText: /^cited\.py:7$/ }).first();
    await link.click();
    const statusBar = window.page.locator('.statusbar');
    await waitFor(async () => /Ln 7,/.test(await statusBar.innerText()), 'the cursor is on line 7');
  },

  async 'an answer can be stopped, and markup in an answer is shown as text'(env) {
    const window = await openReady(env, 'stop.py');
    await window.command('Foretype: Ask About This Code');
    await ask(window, 'Explain every line of this code at length, with many examples.');
    const answer = view(window).locator('.answer').last();
    await waitFor(async () => (await answer.innerText()).length > 40, 'part of an answer');
    await view(window).locator('#stop').click();
    assert.match(await completeAnswer(window), /Stopped\./);
    await ask(window, 'Say yes.');
    await completeAnswer(window);
    const markup = [
      'A <b>bold</b> word, `<i>`', '# <img src="x" onerror="document.title = \'run\'">', '```',
      '<script>document.title = \'run\'</script>', '```', '[x](javascript:alert)',
    ].join('\n');
    const dispatch = (_, data) => window.dispatchEvent(new MessageEvent('message', { data }));
    await view(window).locator('body').evaluate(dispatch, { type: 'text', text: markup });
    await waitFor(async () => (await answer.innerText()).includes('<img src="x"'), 'the markup is shown as text');
    assert.equal(await answer.locator('b, i, img, script, a[href^="javascript"]').count(), 0);
    assert.equal(await view(window).locator('title').textContent(), 'Foretype');
  },

  async 'a stopped question can be answered again, and questions can be edited and branched'(env) {
    const window = await openReady(env, 'edited.py');
    await window.command('Foretype: Ask About This Code');
    await ask(window, 'Explain what this code does.');
    const answer = view(window).locator('.answer').last();
    await waitFor(async () => (await answer.innerText()).length > 10, 'part of an answer');
    await view(window).locator('#stop').click();
    assert.match(await completeAnswer(window), /Stopped\./);
    await view(window).locator('#regenerate').click();
    await view(window).locator('#stop').waitFor({ state: 'visible' });
    assert.doesNotMatch(await completeAnswer(window), /Stopped\./);
    await ask(window, 'Say yes.');
    await completeAnswer(window);
    const questions = view(window).locator('.question');
    assert.equal(await questions.count(), 2);
    await questions.last().hover();
    await questions.last().locator('button:has-text("Edit")').click();
    await waitFor(async () => (await questions.count()) === 1, 'the question is removed');
    assert.equal(await view(window).locator('#question').inputValue(), 'Say yes.');
    await env.screenshot('editing a question');
    await ask(window, 'Say no.');
    await completeAnswer(window);
    await questions.first().hover();
    await questions.first().locator('button:has-text("Branch")').click();
    await waitFor(async () => (await questions.count()) === 1, 'only the first question is left');
    await ask(window, 'Say maybe.');
    await completeAnswer(window);
    await window.command('Foretype: Earlier Conversations');
    const saved = window.page.locator('.quick-input-list .monaco-list-row:has-text("Explain what this code does.")');
    await waitFor(async () => (await saved.count()) >= 2, 'the conversation and its copy are saved');
    await window.press('Escape');
  },

  async 'text in the view has enough contrast in a light theme'(env) {
    env.writeUserSettings({ 'workbench.colorTheme': 'Default Light Modern' });
    const window = await openReady(env, 'light.py');
    await window.press('Control+A');
    await window.command('Foretype: Explain');
    await completeAnswer(window);
    const question = 'Write a Python function with a comment that doubles each value of a list, in a code block.';
    await ask(window, question);
    await completeAnswer(window);
    await env.screenshot('conversation light');
    const lowContrast = await view(window).locator('body').evaluate(lowContrastTexts, MIN_CONTRAST);
    env.writeUserSettings({});
    assert.deepEqual(lowContrast, []);
  },

  async 'a saved conversation can be opened again'(env) {
    const window = await openReady(env, 'earlier.py');
    await window.command('Foretype: Ask About This Code');
    await ask(window, 'Is this the earlier one?');
    const answer = await completeAnswer(window);
    await window.command('Foretype: New Conversation');
    await waitFor(async () => (await view(window).locator('.question').count()) === 0, 'the view is empty');
    await window.command('Foretype: Earlier Conversations');
    await window.choose('Is this the earlier one?');
    await view(window).locator('.question:has-text("Is this the earlier one?")').waitFor();
    assert.equal((await completeAnswer(window)).split('\n')[0], answer.split('\n')[0]);
  },
};
