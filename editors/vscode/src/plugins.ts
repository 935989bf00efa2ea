// The user's and the workspace's plugins: their state and their folders. Their errors are diagnostics, which the
// language client shows.
import * as vscode from 'vscode';
import type { Daemon } from './daemon';

/** A plugin in the result of `foretype/plugins`. */
interface Plugin {
  name: string;
  path: string;
  workspace: boolean;
  state: 'runs' | 'stopped' | 'broken' | 'untrusted' | 'off';
  words: string;
  line: number | null;
}

interface PluginList {
  folder: string | null;
  userFolder: string | null;
  plugins: Plugin[];
}

interface PluginItem extends vscode.QuickPickItem {
  plugin?: Plugin;
}

const icons: Record<Plugin['state'], string> = {
  runs: 'check', stopped: 'error', broken: 'error', untrusted: 'question', off: 'circle-slash',
};

export async function showPlugins(daemon: Daemon): Promise<void> {
  const list = await requestPlugins(daemon);
  if (!list) return;
  const items: PluginItem[] = list.plugins.map((plugin) => ({
    label: `$(${icons[plugin.state]}) ${plugin.name}`,
    description: plugin.workspace ? 'workspace' : 'user',
    detail: plugin.words,
    plugin,
  }));
  items.push({ label: '$(folder-opened) Open plugin folder' });
  const isEmpty = list.plugins.length === 0;
  const placeHolder = isEmpty ? 'No plugins: `foretype plugin new NAME` creates one' : 'Open the file of a plugin';
  const options = { title: 'Foretype: plugins', placeHolder, matchOnDetail: true };
  const item = await vscode.window.showQuickPick(items, options);
  if (item?.plugin) await openFile(vscode.Uri.file(item.plugin.path), item.plugin.line ?? 1);
  else if (item) await openPluginFolder(daemon);
}

export async function openPluginFolder(daemon: Daemon): Promise<void> {
  const list = await requestPlugins(daemon);
  if (!list) return;
  const { folder, userFolder } = list;
  const items: (vscode.QuickPickItem & { open(): Promise<void> })[] = [];
  if (folder) items.push({ label: '$(folder) Workspace plugins', description: folder, open: () => reveal(folder) });
  if (userFolder) {
    items.push({ label: '$(account) User plugins', description: userFolder, open: () => chooseFile(userFolder) });
  }
  const item = await vscode.window.showQuickPick(items, { title: 'Foretype: plugin folder' });
  await item?.open();
}

async function requestPlugins(daemon: Daemon): Promise<PluginList | undefined> {
  const uri = vscode.window.activeTextEditor?.document.uri;
  const isInWorkspace = uri && vscode.workspace.getWorkspaceFolder(uri);
  const params = isInWorkspace ? { textDocument: { uri: uri.toString() } } : {};
  const list = await daemon.request<PluginList>('foretype/plugins', params);
  if (!list) {
    const text = 'Foretype: the daemon did not list its plugins; *Foretype: Show Status* may show why.';
    void vscode.window.showWarningMessage(text);
  }
  return list;
}

async function openFile(uri: vscode.Uri, line: number): Promise<void> {
  const position = new vscode.Position(line - 1, 0);
  await vscode.window.showTextDocument(uri, { selection: new vscode.Range(position, position) });
}

/** Creates a folder of the workspace and reveals it in the explorer, which must be refreshed to know of it. */
async function reveal(folder: string): Promise<void> {
  const uri = vscode.Uri.file(folder);
  await vscode.workspace.fs.createDirectory(uri);
  await vscode.commands.executeCommand('workbench.files.action.refreshFilesExplorer');
  await vscode.commands.executeCommand('revealInExplorer', uri);
}

/** Creates a folder outside the workspace and shows it in a dialog, because the explorer cannot show it. */
async function chooseFile(folder: string): Promise<void> {
  const defaultUri = vscode.Uri.file(folder);
  await vscode.workspace.fs.createDirectory(defaultUri);
  const filters = { Plugins: ['luau', 'fixtures'] };
  const files = await vscode.window.showOpenDialog({ title: 'User plugins', defaultUri, filters });
  if (files?.[0]) await openFile(files[0], 1);
}
