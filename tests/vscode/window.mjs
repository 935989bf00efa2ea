// One window of the workbench, as a user sees and operates it. Every wait ends with an event or after a generous
// timeout.
const TIMEOUT_MS = 60_000;
/** Number of times that a timeout is extended while the model computes. The model's work is bounded, its speed is
 *  not. */
const MAX_EXTENSIONS = 5;
/** Share of a timeout that the model must have computed for an extension. */
const MIN_CPU_SHARE = 1 / 4;
const POLL_INTERVAL_MS = 50;

/** Waits until `check` returns something truthy, and returns it. `cpuSeconds` returns the processor time that the model
 *  has used so far; with it, the timeout is extended while the model computes. */
export async function waitFor(check, description, timeout = TIMEOUT_MS, cpuSeconds = undefined) {
  let deadline = Date.now() + timeout;
  let cpuBefore = cpuSeconds?.();
  for (let extensions = 0; ;) {
    const result = await check();
    if (result) return result;
    if (Date.now() > deadline) {
      const cpuNow = cpuSeconds?.();
      extensions += 1;
      const isComputing = cpuNow - cpuBefore > (timeout / 1000) * MIN_CPU_SHARE;
      if (!isComputing || extensions === MAX_EXTENSIONS) throw new Error(`timed out: ${description}`);
      cpuBefore = cpuNow;
      deadline = Date.now() + timeout;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
}

const readGhostText = () => [...document.querySelectorAll('[class*="ghost-text"]')]
  .filter((part) => !part.querySelector('[class*="ghost-text"]'))
  .map((part) => part.textContent.replace(/\u00a0/g, ' ')).join('');

const readStatusItem = () => {
  const item = [...document.querySelectorAll('.statusbar-item')].find((item) => /Foretype/.test(item.textContent));
  if (!item) return undefined;
  const label = item.getAttribute('aria-label') ?? item.querySelector('[aria-label]')?.getAttribute('aria-label') ?? '';
  const icon = item.querySelector('.codicon')?.className ?? '';
  return { label, icon, warning: /warning-kind/.test(item.className), right: !!item.closest('.right-items') };
};

export class Window {
  static async open(env, name) {
    const window = new Window();
    window.env = env;
    window.settingsVersion = env.settingsVersion;
    window.context = await env.browser.newContext({ viewport: { width: 1280, height: 720 } });
    window.page = await window.context.newPage();
    window.page.setDefaultTimeout(TIMEOUT_MS);
    // Unsaved text must not keep the page open.
    window.page.on('dialog', (dialog) => dialog.accept().catch(() => {}));
    window.page.on('request', (request) => {
      const url = new URL(request.url());
      // Webviews load the extension's own files from this domain; VS Code's service worker answers.
      const isLocal = url.hostname === '127.0.0.1' || url.hostname.endsWith('.vscode-resource.vscode-cdn.net');
      if (/^(http|ws)/.test(url.protocol) && !isLocal) env.foreignOrigins.add(url.origin);
    });
    const payload = name ? [['openFile', `vscode-remote://127.0.0.1:${env.port}${env.workspace}/${name}`]] : [];
    await window.goto(payload);
    if (name) await window.focus(name);
    return window;
  }

  async goto(payload) {
    const { port, workspace } = this.env;
    const query = `folder=${encodeURIComponent(workspace)}&payload=${encodeURIComponent(JSON.stringify(payload))}`;
    await this.page.goto(`http://127.0.0.1:${port}/?${query}`, { waitUntil: 'domcontentloaded' });
    await this.page.waitForSelector('.monaco-workbench');
  }

  tab(name) {
    return this.page.locator(`.tab[data-resource-name="${name}"]`);
  }

  previewTab(name) {
    return this.tab(`Preview of ${name}`);
  }

  async waitForPreviewToClose(name) {
    await this.previewTab(name).waitFor({ state: 'detached' });
  }

  /** The first code lens with this text. */
  lens(title) {
    return this.page.locator(`.codelens-decoration a:has-text("${title}")`).first();
  }

  /** Waits for something that depends on text from the model. */
  waitForModel(check, description) {
    return waitFor(check, description, TIMEOUT_MS, () => this.env.cpuSeconds());
  }

  /** Waits for a preview whose change the model writes. */
  waitForLens(title) {
    return this.waitForModel(() => this.lens(title).isVisible(), `the lens ${title}`);
  }

  /** Focuses a file and moves the cursor to its end. */
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

  /** Types into a quick pick and chooses the matching row, which need not be the first. Tries again if the search
   *  misses a file that was just written, or if another view takes the focus and closes the quick pick. */
  async pick(key, text) {
    const row = this.row(text);
    await waitFor(async () => {
      await this.openQuickInput(key);
      await this.page.keyboard.type(text);
      const isPicked = await row.click({ timeout: 4000 }).then(() => true, () => false);
      if (!isPicked) await this.press('Escape');
      return isPicked;
    }, `${text} is picked`);
  }

  /** Presses the key until the quick input opens, because keys are lost while the workbench starts. */
  async openQuickInput(key) {
    const input = this.page.locator('.quick-input-widget input:visible').first();
    await waitFor(async () => {
      await this.press(key);
      return input.waitFor({ timeout: 2000 }).then(() => true, () => false);
    }, 'the quick input opens');
  }

  press(key) {
    return this.page.keyboard.press(key);
  }

  type(text, delay = 40) {
    return this.page.keyboard.type(text, { delay });
  }

  ghost() {
    return this.page.evaluate(readGhostText);
  }

  async waitForGhost(pattern) {
    try {
      return await waitFor(async () => {
        const text = await this.ghost();
        return pattern.test(text) && text;
      }, `ghost text matches ${pattern}`);
    } catch (error) {
      const [text, status] = [await this.ghost(), await this.status()];
      throw new Error(`${error.message}; it is ${JSON.stringify(text)}, status ${JSON.stringify(status)}`);
    }
  }

  /** Waits for visible ghost text to disappear, and expects no other to appear. */
  async expectNoGhost(milliseconds = 1500) {
    await waitFor(async () => (await this.ghost()) === '', 'the ghost text disappears', 3000);
    const end = Date.now() + milliseconds;
    while (Date.now() < end) {
      const text = await this.ghost();
      if (text) throw new Error(`unexpected ghost text: ${JSON.stringify(text)}`);
      await this.page.waitForTimeout(POLL_INTERVAL_MS);
    }
  }

  /** The status bar item: label, icon, whether it is a warning, and whether it is on the right. */
  status() {
    return this.page.evaluate(readStatusItem);
  }

  async waitForStatus(pattern) {
    try {
      return await waitFor(async () => {
        const item = await this.status();
        return item && pattern.test(item.label) && item;
      }, `the status matches ${pattern}`);
    } catch (error) {
      throw new Error(`${error.message}; it is ${JSON.stringify(await this.status())}`);
    }
  }

  /** Waits until the model is loaded. */
  waitUntilReady() {
    return this.waitForStatus(/qwen/i);
  }

  /** Opens the menu of the status bar item and returns its rows. */
  async menu() {
    await this.page.locator('.statusbar-item:has-text("Foretype")').first().click();
    await this.page.waitForSelector('.quick-input-list .monaco-list-row');
    return this.page.locator('.quick-input-list .monaco-list-row').allInnerTexts();
  }

  async choose(label) {
    await this.row(label).click();
  }

  /** The first matching row of a quick pick. */
  row(label) {
    return this.page.locator(`.quick-input-list .monaco-list-row:has-text("${label}")`).first();
  }

  /** Waits for a notification. It appears only in the notification centre, because the driver that the tests in the
   *  extension host need suppresses pop-ups. */
  waitForNotification(text) {
    const notification = this.page.locator(`.notification-list-item:has-text("${text}")`).first();
    return this.waitForModel(async () => {
      if (await notification.isVisible()) return notification;
      await this.openNotificationCentre();
      return notification.waitFor({ timeout: 2000 }).then(() => notification, () => false);
    }, `a notification with ${text}`);
  }

  /** Returns all notifications that were not dismissed, for the report of a failure. */
  async notifications() {
    await this.openNotificationCentre({ timeout: 2000 });
    return this.page.locator('.notification-list-item').allInnerTexts();
  }

  async openNotificationCentre(options) {
    const isOpen = await this.page.locator('.notifications-center.visible').count();
    if (!isOpen) await this.page.locator('[id="status.notifications"]').click(options);
  }

  /** Saves the file, waits until the text on disk matches, and returns it. */
  async save(name, pattern) {
    await this.press('Control+S');
    try {
      return await waitFor(() => {
        const text = this.env.readFile(name);
        return pattern.test(text) && text;
      }, `${name} on disk matches ${pattern}`, 15_000);
    } catch (error) {
      throw new Error(`${error.message}: ${JSON.stringify(this.env.readFile(name))}`);
    }
  }

  /** Closes the window by leaving the page, as a user does, so that its extension host exits at once. */
  async close() {
    this.env.windows = this.env.windows.filter((window) => window !== this);
    await this.page.goto('about:blank').catch(() => {});
    await this.context.close();
  }
}
