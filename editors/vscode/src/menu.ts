// The menu behind the status bar item: how Foretype is, and what one may do about it.
import * as vscode from 'vscode';
import * as settings from './settings';
import type { State } from './state';

interface Entry extends vscode.QuickPickItem {
  command?: string;
}

export async function showMenu(state: State): Promise<void> {
  const title = `Foretype: ${state.face.text}`;
  const picked = await vscode.window.showQuickPick(entries(state), { title, placeHolder: 'What do you want to do?' });
  if (picked?.command) await vscode.commands.executeCommand(picked.command);
}

function entries(state: State): Entry[] {
  const language = vscode.window.activeTextEditor?.document.languageId;
  const entry = (icon: string, label: string, command: string): Entry => ({ label: `$(${icon}) ${label}`, command: `foretype.${command}` });
  const onOff = (on: boolean, where: string, command: string) =>
    on ? entry('circle-slash', `Turn off ${where}`, command) : entry('check', `Turn on ${where}`, command);
  return [
    ...(state.now.connection === 'missing' ? [entry('folder-opened', 'Choose the program…', 'choosePath')] : []),
    onOff(settings.isOnEverywhere(), 'everywhere', 'toggle'),
    ...(language ? [onOff(settings.isOn(language), `for ${language}`, 'toggleLanguage')] : []),
    state.now.snoozedUntil ? entry('debug-continue', 'Resume', 'resume') : entry('debug-pause', 'Snooze…', 'snooze'),
    { label: '', kind: vscode.QuickPickItemKind.Separator },
    entry('extensions', 'Show plugins', 'showPlugins'),
    entry('output', 'Show log', 'showLog'),
    entry('debug-restart', 'Restart', 'restart'),
    entry('gear', 'Open settings', 'openSettings'),
    entry('book', 'Open walkthrough', 'openWalkthrough'),
  ];
}
