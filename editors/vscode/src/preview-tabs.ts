// The editors that show previews: their URIs, their tabs, and the question before one opens.
import * as vscode from 'vscode';

export const PREVIEW_SCHEME = 'foretype-preview';

/** Returns the URI of a document's preview, with the same folder and extension and a name of its own. */
export function previewUri(document: vscode.Uri): vscode.Uri {
  const path = document.path.replace(/^\/?((?:.*\/)?)([^/]*)$/, '/$1Preview of $2');
  return vscode.Uri.from({ scheme: PREVIEW_SCHEME, path, query: document.toString() });
}

export const allTabs = () => vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs);

/** Returns the URI of the preview in a tab; undefined if it shows something else. */
export function previewUriOf(tab: vscode.Tab): string | undefined {
  const isPreview = tab.input instanceof vscode.TabInputText && tab.input.uri.scheme === PREVIEW_SCHEME;
  return isPreview ? (tab.input as vscode.TabInputText).uri.toString() : undefined;
}

/** Asks before a preview opens while the user works in another document, so that no key meant for that one reaches
 *  it. */
export async function confirmOpening(document: vscode.TextDocument): Promise<boolean> {
  const active = vscode.window.activeTextEditor?.document;
  if (!active || active === document) return true;
  const text = `Foretype: the change for ${vscode.workspace.asRelativePath(document.uri)} is ready.`;
  return (await vscode.window.showInformationMessage(text, 'Show')) === 'Show';
}

/** Opens a preview in the column and the language of its document. */
export async function openPreviewEditor(uri: vscode.Uri, document: vscode.TextDocument): Promise<vscode.TextEditor> {
  const { languageId } = document;
  let preview = await vscode.workspace.openTextDocument(uri);
  if (preview.languageId !== languageId) preview = await vscode.languages.setTextDocumentLanguage(preview, languageId);
  const visible = vscode.window.visibleTextEditors.find((editor) => editor.document === document);
  const viewColumn = visible?.viewColumn ?? vscode.ViewColumn.Active;
  return vscode.window.showTextDocument(preview, { viewColumn, preview: false });
}
