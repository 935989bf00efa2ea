// The item on the right of the status bar. Its menu is in menu.ts.
import * as vscode from 'vscode';
import type { Face, State } from './state';

/** Shows the state from now on. */
export function statusBar(state: State): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('foretype.status', vscode.StatusBarAlignment.Right, 100);
  item.name = 'Foretype';
  item.command = 'foretype.showStatus';
  const show = (face: Face) => {
    item.text = `$(${face.icon}) Foretype`;
    item.tooltip = `Foretype: ${face.text}`;
    item.accessibilityInformation = { label: item.tooltip };
    item.backgroundColor = face.fault ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    const context = (key: string, value: boolean) => vscode.commands.executeCommand('setContext', `foretype.${key}`, value);
    void context('snoozed', state.now.snoozedUntil !== undefined);
    void context('connected', state.now.connection === 'running');
    void context('ready', face.name === 'ready');
  };
  show(state.face);
  item.show();
  return vscode.Disposable.from(item, state.onDidChange(show));
}
