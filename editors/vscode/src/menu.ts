// The menu of the status bar item: the status, and the actions that apply.
import * as vscode from 'vscode';
import * as settings from './settings';
import type { State } from './state';

interface MenuItem extends vscode.QuickPickItem {
  command?: string;
}

export async function showMenu(state: State): Promise<void> {
  const title = `Foretype: ${state.status.text}`;
  const item = await vscode.window.showQuickPick(menuItems(state), { title, placeHolder: 'Choose an action' });
  if (item?.command) await vscode.commands.executeCommand(item.command);
}

function menuItems(state: State): MenuItem[] {
  const language = vscode.window.activeTextEditor?.document.languageId;
  const item = (icon: string, label: string, command: string): MenuItem =>
    ({ label: `$(${icon}) ${label}`, command: `foretype.${command}` });
  const toggle = (enabled: boolean, scope: string, command: string) =>
    enabled ? item('circle-slash', `Turn off ${scope}`, command) : item('check', `Turn on ${scope}`, command);
  const { connection, snoozedUntil } = state.values;
  return [
    ...(connection === 'missing' ? [item('folder-opened', 'Choose the program…', 'choosePath')] : []),
    toggle(settings.isEnabledEverywhere(), 'everywhere', 'toggle'),
    ...(language ? [toggle(settings.isEnabled(language), `for ${language}`, 'toggleLanguage')] : []),
    snoozedUntil ? item('debug-continue', 'Resume', 'resume') : item('debug-pause', 'Snooze…', 'snooze'),
    { label: '', kind: vscode.QuickPickItemKind.Separator },
    item('extensions', 'Show plugins', 'showPlugins'),
    item('output', 'Show log', 'showLog'),
    item('debug-restart', 'Restart', 'restart'),
    item('gear', 'Open settings', 'openSettings'),
    item('book', 'Open walkthrough', 'openWalkthrough'),
  ];
}
