// Reads and writes the settings that the extension itself acts on. All others go to the daemon unseen.
import * as vscode from 'vscode';

type Languages = Record<string, boolean>;

const section = () => vscode.workspace.getConfiguration('foretype');

export const isManual = (): boolean => section().get<string>('inline.trigger') === 'manual';

export const debounce = (): number => section().get<number>('inline.debounceMs', 0);

const languages = (): Languages => section().get<Languages>('enable', {});

export const isOnEverywhere = (): boolean => languages()['*'] ?? true;

/** A language that is not named follows `*`. */
export function isOn(language: string): boolean {
  return languages()[language] ?? isOnEverywhere();
}

export function setLanguage(language: string, on: boolean): Promise<void> {
  return write(language, (map) => ({ ...map, [language]: on }));
}

/** Switching off everywhere drops the languages that were named as on: they would go on. Those named as off stay. */
export function setEverywhere(on: boolean): Promise<void> {
  const others = (map: Languages) => Object.entries(map).filter(([name, value]) => name !== '*' && (on || !value));
  return write('*', (map) => ({ '*': on, ...Object.fromEntries(others(map)) }));
}

/** Writes where the user has written before: the workspace's settings win, so they are changed if they say anything. */
async function write(name: string, change: (map: Languages) => Languages): Promise<void> {
  const found = section().inspect<Languages>('enable');
  const inWorkspace = found?.workspaceValue?.[name] !== undefined;
  const old = (inWorkspace ? found?.workspaceValue : found?.globalValue) ?? {};
  const target = inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global;
  await section().update('enable', change(old), target);
}
