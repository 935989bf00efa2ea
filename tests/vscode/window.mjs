// One window of the workbench, as a user sees and uses it. All waits end with an event or after a generous time.
const patience = 60_000;
/** So often patience begins anew while a model writes: what it has to write is bounded, how fast it does is the machine's. */
const breaths = 5;

/** Waits until `look` gives something true, and gives that. With `working`, the seconds of processor time that the model took
 *  so far, patience begins anew while it computes. */
export async function until(look, what, limit = patience, working = undefined) {
  let end = Date.now() + limit;
  let before = working?.();
  for (let breath = 0; ;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) {
      const now = working?.();
      breath += 1;
      if (!(now - before > limit / 1000 / 4) || breath === breaths) throw new Error(`in vain: ${what}`);
      [before, end] = [now, Date.now() + limit];
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const ghostText = () => [...document.querySelectorAll('[class*="ghost-text"]')]
  .filter((part) => !part.querySelector('[class*="ghost-text"]'))
  .map((part) => part.textContent.replace(/\u00a0/g, ' ')).join('');

const statusItem = () => {
  const item = [...document.querySelectorAll('.statusbar-item')].find((item) => /Foretype/.test(item.textContent));
  if (!item) return undefined;
  const label = item.getAttribute('aria-label') ?? item.querySelector('[aria-label]')?.getAttribute('aria-label') ?? '';
  const icon = item.querySelector('.codicon')?.className ?? '';
  return { label, icon, warning: /warning-kind/.test(item.className), right: !!item.closest('.right-items') };
};

export class Window {
  static async open(bench, name) {
    const window = new Window();
    window.bench = bench;
    window.written = bench.written;
    window.context = await bench.browser.newContext({ viewport: { width: 1280, height: 720 } });
    window.page = await window.context.newPage();
    window.page.setDefaultTimeout(patience);
    // A text that was not saved is no reason to stay.
    window.page.on('dialog', (dialog) => dialog.accept().catch(() => {}));
    window.page.on('request', (request) => {
      const url = new URL(request.url());
      // A webview asks for the extension's own files under this name, and VS Code's service worker answers.
      const own = url.hostname === '127.0.0.1' || url.hostname.endsWith('.vscode-resource.vscode-cdn.net');
      if (/^(http|ws)/.test(url.protocol) && !own) bench.outside.add(url.origin);
    });
    const payload = name ? [['openFile', `vscode-remote://127.0.0.1:${bench.port}${bench.workspace}/${name}`]] : [];
    await window.goto(payload);
    if (name) await window.focus(name);
    return window;
  }

  async goto(payload) {
    const { port, workspace } = this.bench;
    const query = `folder=${encodeURIComponent(workspace)}&payload=${encodeURIComponent(JSON.stringify(payload))}`;
    await this.page.goto(`http://127.0.0.1:${port}/?${query}`, { waitUntil: 'domcontentloaded' });
    await this.page.waitForSelector('.monaco-workbench');
  }

  tab(name) {
    return this.page.locator(`.tab[data-resource-name="${name}"]`);
  }

  /** The tab of the preview of a change. */
  preview(name) {
    return this.tab(`Preview of ${name}`);
  }

  async previewGone(name) {
    await this.preview(name).waitFor({ state: 'detached' });
  }

  /** What can be clicked above a line. */
  lens(title) {
    return this.page.locator(`.codelens-decoration a:has-text("${title}")`).first();
  }

  /** Waits for what the model has to write first. */
  patiently(look, what) {
    return until(look, what, patience, () => this.bench.computed());
  }

  /** Waits for a change that the model writes: it can be taken by this click. */
  offered(title) {
    return this.patiently(() => this.lens(title).isVisible(), title);
  }

  /** The cursor to the end of the file. */
  async focus(name) {
    await this.page.waitForSelector(`.tab.active[data-resource-name="${name}"]`);
    await this.page.locator('.editor-instance .view-lines').first().click();
    await this.press('Control+End');
  }

  async openFile(name) {
    await this.pick('Control+P', name);
    await this.focus(name);
  }

  command(title) {
    return this.pick('F1', title);
  }

  /** Types into a box and takes what it finds, which need not be the first of the list. A search may miss a file that was
   *  written just now, and a view that takes the focus late closes the box: then it is opened again. */
  async pick(key, text) {
    const row = this.row(text);
    await until(async () => {
      await this.quickInput(key);
      await this.page.keyboard.type(text);
      const found = await row.waitFor({ timeout: 4000 }).then(() => true, () => false);
      await (found ? row.click() : this.press('Escape'));
      return found;
    }, `${text} is found`);
  }

  /** A key that is pressed while the workbench still starts is lost: it is pressed until the box is there. */
  async quickInput(key) {
    const box = this.page.locator('.quick-input-widget input:visible').first();
    await until(async () => {
      await this.press(key);
      return box.waitFor({ timeout: 2000 }).then(() => true, () => false);
    }, 'a box opens');
  }

  press(key) {
    return this.page.keyboard.press(key);
  }

  type(text, delay = 40) {
    return this.page.keyboard.type(text, { delay });
  }

  ghost() {
    return this.page.evaluate(ghostText);
  }

  async waitGhost(pattern) {
    try {
      return await until(async () => { const text = await this.ghost(); return pattern.test(text) && text; }, `ghost text like ${pattern}`);
    } catch (error) {
      throw new Error(`${error.message}; it is ${JSON.stringify(await this.ghost())}, status ${JSON.stringify(await this.status())}`);
    }
  }

  /** What is there goes at once, and nothing comes. */
  async noGhost(milliseconds = 1500) {
    await until(async () => (await this.ghost()) === '', 'the ghost text goes', 3000);
    const end = Date.now() + milliseconds;
    while (Date.now() < end) {
      const text = await this.ghost();
      if (text) throw new Error(`ghost text where none should be: ${JSON.stringify(text)}`);
      await this.page.waitForTimeout(50);
    }
  }

  /** The item of the status bar: label, icon, whether it warns. */
  status() {
    return this.page.evaluate(statusItem);
  }

  async waitStatus(pattern) {
    try {
      return await until(async () => { const item = await this.status(); return item && pattern.test(item.label) && item; }, `status ${pattern}`);
    } catch (error) {
      throw new Error(`${error.message}; it is ${JSON.stringify(await this.status())}`);
    }
  }

  /** The model is there. */
  ready() {
    return this.waitStatus(/qwen/i);
  }

  /** Opens the menu of the status bar item; gives its lines. */
  async menu() {
    await this.page.locator('.statusbar-item:has-text("Foretype")').first().click();
    await this.page.waitForSelector('.quick-input-list .monaco-list-row');
    return this.page.locator('.quick-input-list .monaco-list-row').allInnerTexts();
  }

  async choose(label) {
    await this.row(label).click();
  }

  /** Of a list that the workbench offers. */
  row(label) {
    return this.page.locator(`.quick-input-list .monaco-list-row:has-text("${label}")`).first();
  }

  /** A message. The driver that the tests in the extension host need keeps them from popping up: they are behind the bell. */
  notification(text) {
    const message = this.page.locator(`.notification-list-item:has-text("${text}")`).first();
    return this.patiently(async () => {
      if (await message.isVisible()) return message;
      const open = await this.page.locator('.notifications-center.visible').count();
      if (!open) await this.page.locator('[id="status.notifications"]').click();
      return message.waitFor({ timeout: 2000 }).then(() => message, () => false);
    }, `a message with ${text}`);
  }

  /** All that were not sent away, for the report of a failure. */
  async messages() {
    const open = await this.page.locator('.notifications-center.visible').count();
    if (!open) await this.page.locator('[id="status.notifications"]').click({ timeout: 2000 });
    return this.page.locator('.notification-list-item').allInnerTexts();
  }

  /** Saves, and gives what is on disk when that matches. */
  async saved(name, pattern) {
    await this.press('Control+S');
    return until(() => { const text = this.bench.read(name); return pattern.test(text) && text; },
      `${name} on disk is like ${pattern}`, 15_000).catch((error) => { throw new Error(`${error.message}: ${JSON.stringify(this.bench.read(name))}`); });
  }

  /** As a user closes it: by leaving the page, so that its extension host ends at once. */
  async close() {
    this.bench.windows = this.bench.windows.filter((window) => window !== this);
    await this.page.goto('about:blank').catch(() => {});
    await this.context.close();
  }
}
