// Follows the active editor and the settings, so that the status describes the active file.
import * as vscode from 'vscode';
import type { Daemon } from './daemon';
import * as settings from './settings';
import type { State } from './state';

interface DocumentStatus {
  document?: { enabled: boolean; reason: string | null };
}

/** Milliseconds after a change of the daemon's status before the document's status is requested. */
const STATUS_DELAY_MS = 200;

export function watchEditors(state: State, daemon: Daemon): vscode.Disposable {
  const update = async () => {
    const document = vscode.window.activeTextEditor?.document;
    const enabled = !document || settings.isEnabled(document.languageId);
    const scope = settings.isEnabledEverywhere() ? document?.languageId : 'every language';
    state.set({ disabledFor: enabled ? undefined : scope, manual: settings.isManual(), exclusion: undefined });
    if (!document || !enabled || document.uri.scheme !== 'file') return;
    const params = { textDocument: { uri: document.uri.toString() } };
    const report = await daemon.request<DocumentStatus>('foretype/status', params);
    const isActive = vscode.window.activeTextEditor?.document === document;
    const isExcluded = report?.document?.enabled === false && vscode.workspace.textDocuments.includes(document);
    if (!isActive || !isExcluded || !settings.isEnabled(document.languageId)) return;
    state.set({ exclusion: report.document?.reason ?? undefined });
  };
  // The daemon sends its status after it has read changed settings, and these may exclude other files.
  let { connection, server } = state.values;
  const statusChanged = state.onDidChange(() => {
    if (state.values.connection === connection && state.values.server === server) return;
    ({ connection, server } = state.values);
    if (connection === 'running') setTimeout(() => void update(), STATUS_DELAY_MS);
  });
  const settingsChanged = vscode.workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration('foretype.serverPath')) void daemon.restart();
    if (event.affectsConfiguration('foretype')) void update();
  });
  const editorChanged = vscode.window.onDidChangeActiveTextEditor(() => void update());
  void update();
  return vscode.Disposable.from(statusChanged, settingsChanged, editorChanged);
}

/** Warns, once per installation, if the editor itself does not show inline suggestions. */
export async function warnIfGhostTextIsOff(storage: vscode.Memento): Promise<void> {
  const editor = vscode.workspace.getConfiguration('editor');
  if (editor.get('inlineSuggest.enabled') !== false || storage.get('toldOfInlineSuggest')) return;
  await storage.update('toldOfInlineSuggest', true);
  const text = 'Foretype cannot show suggestions: the setting editor.inlineSuggest.enabled is off.';
  const button = await vscode.window.showWarningMessage(text, 'Turn It On', 'Open Settings');
  if (button === 'Turn It On') await editor.update('inlineSuggest.enabled', true, vscode.ConfigurationTarget.Global);
  if (button === 'Open Settings') {
    await vscode.commands.executeCommand('workbench.action.openSettings', 'editor.inlineSuggest.enabled');
  }
}
