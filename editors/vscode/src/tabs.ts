// The editors that previews are shown in: their addresses and their tabs.
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
