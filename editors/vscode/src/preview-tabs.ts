// The editors that previews are shown in: their addresses, their tabs, and when they may come.
import * as vscode from 'vscode';

export const scheme = 'foretype-preview';

/** Beside the document, with a name that tells the two apart and has the same ending. */
export function previewOf(source: vscode.Uri): vscode.Uri {
  const path = source.path.replace(/^\/?((?:.*\/)?)([^/]*)$/, '/$1Preview of $2');
  return vscode.Uri.from({ scheme, path, query: source.toString() });
}

export const allTabs = () => vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs);

/** Of a preview's tab. */
export function uriOf(tab: vscode.Tab): string | undefined {
  return tab.input instanceof vscode.TabInputText && tab.input.uri.scheme === scheme ? tab.input.uri.toString() : undefined;
}

/** Asks where the user is in another document by now: no key that is meant for that one is to land in a preview. */
export async function wanted(source: vscode.TextDocument): Promise<boolean> {
  const active = vscode.window.activeTextEditor?.document;
  if (!active || active === source) return true;
  const text = `Foretype: the change for ${vscode.workspace.asRelativePath(source.uri)} is ready.`;
  return (await vscode.window.showInformationMessage(text, 'Show')) === 'Show';
}

/** Opens a preview where its document is, in the same language. */
export async function editorOf(preview: vscode.Uri, source: vscode.TextDocument): Promise<vscode.TextEditor> {
  const opened = await vscode.workspace.openTextDocument(preview);
  const known = opened.languageId === source.languageId;
  const document = known ? opened : await vscode.languages.setTextDocumentLanguage(opened, source.languageId);
  const viewColumn = vscode.window.visibleTextEditors.find(({ document }) => document === source)?.viewColumn ?? vscode.ViewColumn.Active;
  return vscode.window.showTextDocument(document, { viewColumn, preview: false });
}
