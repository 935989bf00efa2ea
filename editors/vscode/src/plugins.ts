// The user's and the workspace's plugins: how they are, and the folders where they lie. Their faults are diagnostics, which the
// client shows by itself.
import * as vscode from 'vscode';
import type { Daemon } from './daemon';

/** How a plugin is: of `foretype/plugins`. */
interface Plugin {
  name: string;
  path: string;
  workspace: boolean;
  state: 'runs' | 'stopped' | 'broken' | 'untrusted' | 'off';
  words: string;
  line: number | null;
}

interface Found {
  folder: string | null;
  userFolder: string | null;
  plugins: Plugin[];
}

interface Entry extends vscode.QuickPickItem {
  plugin?: Plugin;
}

const icons: Record<Plugin['state'], string> = {
  runs: 'check', stopped: 'error', broken: 'error', untrusted: 'question', off: 'circle-slash',
};

export async function showPlugins(daemon: Daemon): Promise<void> {
  const found = await ask(daemon);
  if (!found) return;
  const entries: Entry[] = found.plugins.map((plugin) => ({
    label: `$(${icons[plugin.state]}) ${plugin.name}`, description: plugin.workspace ? 'of this workspace' : 'yours', detail: plugin.words, plugin,
  }));
  entries.push({ label: '$(folder-opened) Open plugin folder' });
  const placeHolder = found.plugins.length > 0 ? 'Open the file of a plugin' : 'There are no plugins; `foretype plugin new NAME` writes one';
  const picked = await vscode.window.showQuickPick(entries, { title: 'Foretype: plugins', placeHolder, matchOnDetail: true });
  if (picked?.plugin) await openFile(vscode.Uri.file(picked.plugin.path), picked.plugin.line ?? 1);
  else if (picked) await openPluginFolder(daemon);
}

export async function openPluginFolder(daemon: Daemon): Promise<void> {
  const found = await ask(daemon);
  if (!found) return;
  const { folder, userFolder } = found;
  const choices = [
    ...(folder ? [{ label: '$(folder) Of this workspace', description: folder, open: () => reveal(folder) }] : []),
    ...(userFolder ? [{ label: '$(account) Yours, for all workspaces', description: userFolder, open: () => pickFrom(userFolder) }] : []),
  ];
  const picked = await vscode.window.showQuickPick(choices, { title: 'Foretype: plugin folder' });
  await picked?.open();
}

async function ask(daemon: Daemon): Promise<Found | undefined> {
  const uri = vscode.window.activeTextEditor?.document.uri;
  const inside = uri && vscode.workspace.getWorkspaceFolder(uri);
  const found = await daemon.request<Found>('foretype/plugins', inside ? { textDocument: { uri: uri.toString() } } : {});
  if (!found) void vscode.window.showWarningMessage('Foretype: the daemon does not say; *Foretype: Show Status* says how it is.');
  return found;
}

async function openFile(uri: vscode.Uri, line: number): Promise<void> {
  const place = new vscode.Position(line - 1, 0);
  await vscode.window.showTextDocument(uri, { selection: new vscode.Range(place, place) });
}

/** The explorer shows it once it knows that it is there. */
async function reveal(folder: string): Promise<void> {
  const uri = vscode.Uri.file(folder);
  await vscode.workspace.fs.createDirectory(uri);
  await vscode.commands.executeCommand('workbench.files.action.refreshFilesExplorer');
  await vscode.commands.executeCommand('revealInExplorer', uri);
}

/** Outside the workspace no explorer shows it, so a dialog does. */
async function pickFrom(folder: string): Promise<void> {
  const uri = vscode.Uri.file(folder);
  await vscode.workspace.fs.createDirectory(uri);
  const picked = await vscode.window.showOpenDialog({ title: 'Your plugins', defaultUri: uri, filters: { Plugins: ['luau', 'fixtures'] } });
  if (picked?.[0]) await openFile(picked[0], 1);
}
