// The item on the right of the status bar. Its menu is in menu.ts.
import * as vscode from 'vscode';
import type { State, Status } from './state';

/** Shows the status and keeps the context keys of package.json up to date. */
export function createStatusBarItem(state: State): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('foretype.status', vscode.StatusBarAlignment.Right, 100);
  item.name = 'Foretype';
  item.command = 'foretype.showStatus';
  const show = (status: Status) => {
    item.text = `$(${status.icon}) Foretype`;
    item.tooltip = `Foretype: ${status.text}`;
    item.accessibilityInformation = { label: item.tooltip };
    item.backgroundColor = status.isError ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    setContext('snoozed', state.values.snoozedUntil !== undefined);
    setContext('connected', state.values.connection === 'running');
    setContext('ready', status.name === 'ready');
  };
  show(state.status);
  item.show();
  return vscode.Disposable.from(item, state.onDidChange(show));
}

function setContext(key: string, value: boolean): void {
  void vscode.commands.executeCommand('setContext', `foretype.${key}`, value);
}
