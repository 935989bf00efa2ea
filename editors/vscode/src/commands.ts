// The commands of package.json, one line each where that is enough.
import * as vscode from 'vscode';
import type { Daemon } from './daemon';
import { showMenu } from './menu';
import * as settings from './settings';
import type { Snooze } from './snooze';
import type { State } from './state';

interface Parts {
  id: string;
  state: State;
  daemon: Daemon;
  snooze: Snooze;
  log: vscode.LogOutputChannel;
}

export function registerCommands({ id, state, daemon, snooze, log }: Parts): vscode.Disposable {
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
  };
  const registered = Object.entries(commands).map(([name, command]) => vscode.commands.registerCommand(`foretype.${name}`, command));
  return vscode.Disposable.from(...registered);
}

async function toggleLanguage(): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (language) await settings.setLanguage(language, !settings.isOn(language));
}

/** The daemon is started afresh when the setting changes. */
async function choosePath(): Promise<void> {
  const picked = await vscode.window.showOpenDialog({ title: 'The program foretype', openLabel: 'Use', canSelectMany: false });
  const file = picked?.[0]?.fsPath;
  if (file) await vscode.workspace.getConfiguration('foretype').update('serverPath', file, vscode.ConfigurationTarget.Global);
}
