// The commands of package.json.
import * as vscode from 'vscode';
import type { Conversation } from './conversation';
import type { Daemon } from './daemon';
import { showMenu } from './menu';
import { openPluginFolder, showPlugins } from './plugins';
import type { Previews } from './preview';
import type { Rewriter } from './rewrite';
import * as settings from './settings';
import type { Snooze } from './snooze';
import type { State } from './state';

interface Services {
  extensionId: string;
  state: State;
  daemon: Daemon;
  snooze: Snooze;
  conversation: Conversation;
  rewriter: Rewriter;
  previews: Previews;
  log: vscode.LogOutputChannel;
}

export function registerCommands(services: Services): vscode.Disposable {
  const { extensionId, state, daemon, snooze, conversation, rewriter, previews, log } = services;
  const run = vscode.commands.executeCommand;
  const commands: Record<string, (...args: never[]) => unknown> = {
    showStatus: () => showMenu(state),
    toggle: () => settings.setEnabledEverywhere(!settings.isEnabledEverywhere()),
    toggleLanguage: () => toggleLanguage(),
    trigger: () => run('editor.action.inlineSuggest.trigger'),
    acceptLine: () => run('editor.action.inlineSuggest.acceptNextLine'),
    snooze: (minutes?: number) => snooze.start(minutes),
    resume: () => snooze.end(),
    restart: () => daemon.restart(),
    showLog: () => log.show(),
    openSettings: () => run('workbench.action.openSettings', `@ext:${extensionId}`),
    openWalkthrough: () => run('workbench.action.openWalkthrough', `${extensionId}#start`),
    choosePath: () => chooseProgram(),
    showPlugins: () => showPlugins(daemon),
    openPluginFolder: () => openPluginFolder(daemon),
    ask: () => conversation.start(),
    explain: () => conversation.start('explain'),
    findBugs: () => conversation.start('find-bugs'),
    suggestTests: () => conversation.start('suggest-tests'),
    simplify: () => conversation.start('simplify'),
    name: () => conversation.start('name'),
    commitMessage: () => conversation.start('commit-message'),
    newConversation: () => conversation.start(),
    conversations: () => conversation.choose(),
    stopAnswer: () => conversation.stop(),
    regenerate: () => conversation.regenerate(),
    writeDocstring: () => writeDocstring(),
    previewDocstring: () => rewriter.docstring(),
    previewDocstrings: () => rewriter.missingDocstrings(),
    updateDocstrings: () => rewriter.updateDocstrings(),
    edit: (instruction?: unknown) => rewriter.edit(stringOf(instruction)),
    generate: () => rewriter.generate(),
    translate: (language?: unknown) => rewriter.translate(stringOf(language)),
    translateComments: (language?: unknown) => rewriter.translateComments(stringOf(language)),
    acceptChange: (hunk?: unknown) => previews.decide(true, numberOf(hunk)),
    rejectChange: (hunk?: unknown) => previews.decide(false, numberOf(hunk)),
    acceptAllChanges: () => previews.decideAll(true),
    rejectAllChanges: () => previews.decideAll(false),
    nextChange: () => previews.move(1),
    previousChange: () => previews.move(-1),
    anotherChange: () => previews.regenerate(),
  };
  const registered = Object.entries(commands)
    .map(([name, command]) => vscode.commands.registerCommand(`foretype.${name}`, command));
  return vscode.Disposable.from(...registered);
}

// A menu passes the document's URI as the first argument, where a key binding or another command passes a string or a
// number.
const stringOf = (argument: unknown) => (typeof argument === 'string' ? argument : undefined);
const numberOf = (argument: unknown) => (typeof argument === 'number' ? argument : undefined);

async function toggleLanguage(): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (language) await settings.setEnabled(language, !settings.isEnabled(language));
}

/** Runs the daemon's own command, which fails with a message that names the reason. */
async function writeDocstring(): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) return;
  const target = { uri: editor.document.uri.toString(), line: editor.selection.start.line };
  const options = { location: vscode.ProgressLocation.Window, title: 'Foretype: writing a docstring' };
  const write = async () => vscode.commands.executeCommand('foretype.docstring', target);
  const report = (error: Error) => vscode.window.showWarningMessage(`Foretype: ${error.message}`);
  await vscode.window.withProgress(options, write).then(undefined, report);
}

/** Sets the path of the program. The watcher of the settings then restarts the daemon. */
async function chooseProgram(): Promise<void> {
  const title = 'Choose the program foretype';
  const files = await vscode.window.showOpenDialog({ title, openLabel: 'Use', canSelectMany: false });
  const file = files?.[0]?.fsPath;
  if (!file) return;
  await vscode.workspace.getConfiguration('foretype').update('serverPath', file, vscode.ConfigurationTarget.Global);
}
