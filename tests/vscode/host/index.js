// Tests that run in the real extension host with the real `vscode` module: the commands, settings and API that other
// extensions and key bindings rely on.
const assert = require('node:assert/strict');
const path = require('node:path');
const vscode = require('vscode');

const extension = () => vscode.extensions.getExtension('foretype.foretype');
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function waitFor(check, description) {
  for (let tries = 0; tries < 600; tries += 1) {
    const result = await check();
    if (result) return result;
    await sleep(100);
  }
  throw new Error(`timed out: ${description}`);
}

const tests = {
  async 'the extension is active and reports its status'() {
    const api = await extension().activate();
    await waitFor(() => api.status().name === 'ready', 'the model is ready');
    assert.equal(api.status().isError, false);
  },
  async 'every contributed command exists'() {
    const registered = await vscode.commands.getCommands(true);
    const contributed = extension().packageJSON.contributes.commands.map(({ command }) => command);
    assert.deepEqual(contributed.filter((name) => !registered.includes(name)), []);
    assert.ok(registered.includes('foretype.accepted'), 'the command of the daemon is missing');
  },
  async 'every option has a description and a default of its type'() {
    const { properties } = extension().packageJSON.contributes.configuration;
    assert.ok(Object.keys(properties).length > 20);
    for (const [name, option] of Object.entries(properties)) {
      assert.ok(option.markdownDescription && 'default' in option, name);
      const inspected = vscode.workspace.getConfiguration().inspect(name);
      assert.deepEqual(JSON.parse(JSON.stringify(inspected.defaultValue ?? null)), option.default, name);
    }
  },
  async 'VS Code\'s own command accepts a suggestion'() {
    const file = path.join(vscode.workspace.workspaceFolders[0].uri.fsPath, 'host.py');
    const document = await vscode.workspace.openTextDocument(file);
    const editor = await vscode.window.showTextDocument(document);
    const end = document.lineAt(document.lineCount - 1).range.end;
    editor.selection = new vscode.Selection(end, end);
    await waitFor(async () => {
      await vscode.commands.executeCommand('foretype.trigger');
      await sleep(1500);
      await vscode.commands.executeCommand('editor.action.inlineSuggest.commit');
      await sleep(300);
      return /return \S/.test(document.getText().slice(document.offsetAt(end) - 7));
    }, 'a suggestion');
    await vscode.commands.executeCommand('undo');
  },
  async 'the code action writes a docstring, and one undo reverts it'() {
    const { document } = vscode.window.activeTextEditor;
    const before = document.getText();
    const target = [document.uri, new vscode.Range(0, 0, 0, 0), 'refactor.rewrite'];
    const actions = await vscode.commands.executeCommand('vscode.executeCodeActionProvider', ...target);
    const { command } = actions.find(({ title }) => title === 'Write a docstring for `add`');
    await vscode.commands.executeCommand(command.command, ...command.arguments);
    const written = document.getText();
    assert.match(written, /^def add\(a, b\):\n    """[^\n]+\n\n    Args:\n        a: .+\n        b: .+\n/);
    assert.ok(written.endsWith(before.slice(before.indexOf('    return a + b'))), 'the code has changed');
    await vscode.commands.executeCommand('undo');
    assert.equal(document.getText(), before);
  },
  async 'a snooze ends by itself'() {
    const api = await extension().activate();
    await vscode.commands.executeCommand('foretype.snooze', 0.02);
    assert.equal(api.status().name, 'snoozed');
    await waitFor(() => api.status().name !== 'snoozed', 'the end of the snooze');
  },
  async 'a restart reconnects'() {
    const api = await extension().activate();
    await vscode.commands.executeCommand('foretype.restart');
    await waitFor(() => api.status().name === 'ready', 'the model is ready again');
  },
};

exports.run = async () => {
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`ok - ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`not ok - ${name}: ${error.message}`);
    }
  }
  if (failed > 0) throw new Error(`${failed} failed`);
};
