// What a command is about, as the protocol says it.
import type * as vscode from 'vscode';

/** The document and what is selected in it; nothing for what is no file. */
export function about(editor: vscode.TextEditor | undefined): object {
  if (!editor || !['file', 'untitled'].includes(editor.document.uri.scheme)) return {};
  const { start, end } = editor.selection;
  const position = ({ line, character }: vscode.Position) => ({ line, character });
  return { textDocument: { uri: editor.document.uri.toString() }, range: { start: position(start), end: position(end) } };
}
