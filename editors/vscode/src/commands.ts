// The commands of package.json, one line each where that is enough.
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

interface Parts {
  id: string;
  state: State;
  daemon: Daemon;
  snooze: Snooze;
  conversation: Conversation;
  rewriter: Rewriter;
  previews: Previews;
  log: vscode.LogOutputChannel;
}

export function registerCommands({ id, state, daemon, snooze, conversation, rewriter, previews, log }: Parts): vscode.Disposable {
  const run = vscode.commands.executeCommand;
  const commands: Record<string, (...args: never[]) => unknown> = {
    showStatus: () => showMenu(state),
    toggle: () => settings.setEverywhere(!settings.isOnEverywhere()),
    toggleLanguage: () => toggleLanguage(),
    trigger: () => run('editor.action.inlineSuggest.trigger'),
    acceptLine: () => run('editor.action.inlineSuggest.acceptNextLine'),
    snooze: (minutes?: number) => snooze.begin(minutes),
    resume: () => snooze.end(),
    restart: () => daemon.restart(),
    showLog: () => log.show(),
    openSettings: () => run('workbench.action.openSettings', `@ext:${id}`),
    openWalkthrough: () => run('workbench.action.openWalkthrough', `${id}#start`),
    choosePath: () => choosePath(),
    showPlugins: () => showPlugins(daemon),
    openPluginFolder: () => openPluginFolder(daemon),
    ask: () => conversation.ask(),
    explain: () => conversation.ask('explain'),
    findBugs: () => conversation.ask('find-bugs'),
    suggestTests: () => conversation.ask('suggest-tests'),
    simplify: () => conversation.ask('simplify'),
    name: () => conversation.ask('name'),
    commitMessage: () => conversation.ask('commit-message'),
    newConversation: () => conversation.ask(),
    conversations: () => conversation.choose(),
    stopAnswer: () => conversation.stop(),
    regenerate: () => conversation.regenerate(),
    writeDocstring: () => writeDocstring(),
    previewDocstring: () => rewriter.docstring(),
    previewDocstrings: () => rewriter.docstrings(),
    updateDocstrings: () => rewriter.update(),
    edit: (words?: unknown) => rewriter.edit(text(words)),
    generate: () => rewriter.generate(),
    translate: (to?: unknown) => rewriter.translate(text(to)),
    translateComments: (to?: unknown) => rewriter.comments(text(to)),
    acceptChange: (number?: unknown) => previews.decide(true, digits(number)),
    rejectChange: (number?: unknown) => previews.decide(false, digits(number)),
    acceptAllChanges: () => previews.decideAll(true),
    rejectAllChanges: () => previews.decideAll(false),
    nextChange: () => previews.go(1),
    previousChange: () => previews.go(-1),
    anotherChange: () => previews.another(),
  };
  const registered = Object.entries(commands).map(([name, command]) => vscode.commands.registerCommand(`foretype.${name}`, command));
  return vscode.Disposable.from(...registered);
}

// A menu gives a command the address of the document in place of what a key binding or another command may say.
const text = (given: unknown) => (typeof given === 'string' ? given : undefined);
const digits = (given: unknown) => (typeof given === 'number' ? given : undefined);

async function toggleLanguage(): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (language) await settings.setLanguage(language, !settings.isOn(language));
}

/** The daemon's own command writes it, and fails with a message that says why not. */
async function writeDocstring(): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) return;
  const target = { uri: editor.document.uri.toString(), line: editor.selection.start.line };
  const options = { location: vscode.ProgressLocation.Window, title: 'Foretype writes a docstring' };
  const write = async () => vscode.commands.executeCommand('foretype.docstring', target);
  await vscode.window.withProgress(options, write).then(undefined, (error: Error) => vscode.window.showWarningMessage(`Foretype: ${error.message}`));
}

/** The daemon is started afresh when the setting changes. */
async function choosePath(): Promise<void> {
  const picked = await vscode.window.showOpenDialog({ title: 'The program foretype', openLabel: 'Use', canSelectMany: false });
  const file = picked?.[0]?.fsPath;
  if (file) await vscode.workspace.getConfiguration('foretype').update('serverPath', file, vscode.ConfigurationTarget.Global);
}
