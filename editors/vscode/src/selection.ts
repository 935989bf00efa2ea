// The target of a command, in the protocol's terms.
import type * as vscode from 'vscode';

/** Returns the document and the selected range; an empty object if the editor shows neither a file nor an untitled
 *  document. */
export function targetOf(editor: vscode.TextEditor | undefined): object {
  if (!editor || !['file', 'untitled'].includes(editor.document.uri.scheme)) return {};
  const { start, end } = editor.selection;
  const position = ({ line, character }: vscode.Position) => ({ line, character });
  return {
    textDocument: { uri: editor.document.uri.toString() },
    range: { start: position(start), end: position(end) },
  };
}
