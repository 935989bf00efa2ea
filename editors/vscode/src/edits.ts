// Applies hunks to their document.
import * as vscode from 'vscode';
import { type Decisions, type Hunk, shiftedLines } from './hunks';

/** Applies the hunks with the given indices as one undo step. `applied` are the decisions that the document already
 *  reflects. Returns false if the document cannot be edited. */
export async function applyHunks(
  document: vscode.TextDocument, hunks: Hunk[], applied: Decisions, indices: number[],
): Promise<boolean> {
  const edit = new vscode.WorkspaceEdit();
  for (const index of indices) {
    const { first, last } = shiftedLines(hunks, applied, index);
    const { range, text } = replacement(document, first, last, hunks[index]!.lines);
    edit.replace(document.uri, range, text);
  }
  return vscode.workspace.applyEdit(edit);
}

/** Returns the edit for whole lines. The last line of a document has no line break. */
function replacement(
  document: vscode.TextDocument, first: number, last: number, lines: string[],
): { range: vscode.Range; text: string } {
  if (last < document.lineCount) {
    return { range: new vscode.Range(first, 0, last, 0), text: lines.map((line) => `${line}\n`).join('') };
  }
  const end = document.lineAt(document.lineCount - 1).range.end;
  const start = first > 0 ? document.lineAt(first - 1).range.end : new vscode.Position(0, 0);
  return { range: new vscode.Range(start, end), text: (first > 0 && lines.length > 0 ? '\n' : '') + lines.join('\n') };
}
