// Reads and writes the settings that the extension itself acts on. The daemon interprets all others.
import * as vscode from 'vscode';

type Languages = Record<string, boolean>;

const section = () => vscode.workspace.getConfiguration('foretype');

export const isManual = (): boolean => section().get<string>('inline.trigger') === 'manual';

export const debounceMs = (): number => section().get<number>('inline.debounceMs', 0);

const languages = (): Languages => section().get<Languages>('enable', {});

export const isEnabledEverywhere = (): boolean => languages()['*'] ?? true;

/** Tells whether a language gets suggestions. One that is not listed follows `*`. */
export function isEnabled(language: string): boolean {
  return languages()[language] ?? isEnabledEverywhere();
}

export function setEnabled(language: string, enabled: boolean): Promise<void> {
  return update(language, (map) => ({ ...map, [language]: enabled }));
}

/** Sets `*`. Disabling also drops languages listed as enabled, which would override `*`; those listed as disabled
 *  stay. */
export function setEnabledEverywhere(enabled: boolean): Promise<void> {
  return update('*', (map) => {
    const others = Object.entries(map).filter(([name, value]) => name !== '*' && (enabled || !value));
    return { '*': enabled, ...Object.fromEntries(others) };
  });
}

/** Changes the workspace's settings if they have an entry for `name`, because they win; otherwise the user's. */
async function update(name: string, change: (map: Languages) => Languages): Promise<void> {
  const values = section().inspect<Languages>('enable');
  const inWorkspace = values?.workspaceValue?.[name] !== undefined;
  const old = (inWorkspace ? values?.workspaceValue : values?.globalValue) ?? {};
  const target = inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global;
  await section().update('enable', change(old), target);
}
