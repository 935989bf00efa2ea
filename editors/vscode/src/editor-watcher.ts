// Follows the active editor and the settings, so that the status says what holds for the file one looks at.
import * as vscode from 'vscode';
import type { Daemon } from './daemon';
import * as settings from './settings';
import type { State } from './state';

interface DocumentStatus {
  document?: { enabled: boolean; reason: string | null };
}

export function watchEditors(state: State, daemon: Daemon): vscode.Disposable {
  const look = async () => {
    const document = vscode.window.activeTextEditor?.document;
    const isOn = !document || settings.isOn(document.languageId);
    const off = isOn ? undefined : settings.isOnEverywhere() ? document.languageId : 'every language';
    state.set({ off, manual: settings.isManual(), refusal: undefined });
    if (!document || !isOn || document.uri.scheme !== 'file') return;
    const params = { textDocument: { uri: document.uri.toString() } };
    const report = await daemon.request<DocumentStatus>('foretype/status', params);
    const current = vscode.window.activeTextEditor?.document === document;
    const refused = report?.document?.enabled === false && vscode.workspace.textDocuments.includes(document);
    if (current && refused && settings.isOn(document.languageId)) state.set({ refusal: report.document?.reason ?? undefined });
  };
  // The daemon tells its status anew when it has read other settings, so what it refuses may be different.
  let { connection, server } = state.now;
  const reconnected = state.onDidChange(() => {
    if (state.now.connection === connection && state.now.server === server) return;
    ({ connection, server } = state.now);
    if (connection === 'running') setTimeout(() => void look(), 200);
  });
  const changed = vscode.workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration('foretype.serverPath')) void daemon.restart();
    if (event.affectsConfiguration('foretype')) void look();
  });
  void look();
  return vscode.Disposable.from(reconnected, changed, vscode.window.onDidChangeActiveTextEditor(() => void look()));
}

/** Ghost text may be switched off in the editor itself. Says so once, ever. */
export async function warnIfGhostTextIsOff(memory: vscode.Memento): Promise<void> {
  const editor = vscode.workspace.getConfiguration('editor');
  if (editor.get('inlineSuggest.enabled') !== false || memory.get('toldOfInlineSuggest')) return;
  await memory.update('toldOfInlineSuggest', true);
  const text = 'Foretype shows nothing while the setting editor.inlineSuggest.enabled is off.';
  const picked = await vscode.window.showWarningMessage(text, 'Turn It On', 'Open Settings');
  if (picked === 'Turn It On') await editor.update('inlineSuggest.enabled', true, vscode.ConfigurationTarget.Global);
  if (picked === 'Open Settings') await vscode.commands.executeCommand('workbench.action.openSettings', 'editor.inlineSuggest.enabled');
}
