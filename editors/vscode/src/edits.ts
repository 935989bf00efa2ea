// Pieces of a change as an edit of the document that they are for.
import * as vscode from 'vscode';
import { type Hunk, placed, type Verdicts } from './hunks';

/** Makes some of them, those that were taken `before` being there already, in one step of undo; false where that cannot be. */
export async function make(source: vscode.TextDocument, hunks: Hunk[], before: Verdicts, numbers: number[]): Promise<boolean> {
  const edit = new vscode.WorkspaceEdit();
  for (const number of numbers) {
    const { first, last } = placed(hunks, before, number);
    const { range, text } = replacement(source, first, last, hunks[number]!.lines);
    edit.replace(source.uri, range, text);
  }
  return vscode.workspace.applyEdit(edit);
}

/** Whole lines, of which the last of a document has no end. */
function replacement(source: vscode.TextDocument, first: number, last: number, lines: string[]): { range: vscode.Range; text: string } {
  if (last < source.lineCount) return { range: new vscode.Range(first, 0, last, 0), text: lines.map((line) => `${line}\n`).join('') };
  const end = source.lineAt(source.lineCount - 1).range.end;
  const start = first > 0 ? source.lineAt(first - 1).range.end : new vscode.Position(0, 0);
  return { range: new vscode.Range(start, end), text: (first > 0 && lines.length > 0 ? '\n' : '') + lines.join('\n') };
}
