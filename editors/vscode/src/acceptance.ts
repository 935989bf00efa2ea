// Reports shown and partially accepted suggestions to the daemon. VS Code's stable API reports neither, so both are
// inferred: a suggestion is shown if its answer arrives while the cursor is still at its position, and an insertion of
// several characters that match the suggestion is a partial acceptance. A full acceptance runs the command of the item.
import * as vscode from 'vscode';

type Notify = (method: string, params: object) => void;

interface ShownSuggestion {
  document: vscode.TextDocument;
  /** Start of the suggestion. */
  start: vscode.Position;
  text: string;
  /** Number of UTF-16 units of the text that the document contains. */
  insertedLength: number;
  item: object;
}

/** Pairs that the editor inserts when the user types the first character. */
const AUTO_CLOSED_PAIRS = ['()', '[]', '{}', '""', "''", '``', '<>'];

export class AcceptanceReporter {
  private shown: ShownSuggestion | undefined;
  private readonly listener = vscode.workspace.onDidChangeTextDocument((event) => this.documentChanged(event));

  constructor(private readonly notify: Notify) {}

  /** An answer arrived. VS Code shows it if the cursor has not moved. */
  answered(document: vscode.TextDocument, position: vscode.Position, items: vscode.InlineCompletionItem[]): void {
    this.shown = undefined;
    const [first] = items;
    const editor = vscode.window.activeTextEditor;
    if (!first || editor?.document !== document || !editor.selection.active.isEqual(position)) return;
    const start = first.range?.start ?? position;
    const text = typeof first.insertText === 'string' ? first.insertText : first.insertText.value;
    const insertedLength = document.offsetAt(position) - document.offsetAt(start);
    const item = { insertText: text, command: first.command };
    this.shown = { document, start, text, insertedLength, item };
    this.notify('textDocument/didShowCompletion', { item });
  }

  private documentChanged({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const shown = this.shown;
    if (!shown || document !== shown.document || contentChanges.length === 0) return;
    const change = contentChanges.length === 1 ? contentChanges[0] : undefined;
    const length = change ? matchingLength(shown, change) : 0;
    if (length === 0) {
      this.shown = undefined;
      return;
    }
    const isTyped = length - shown.insertedLength <= 1 || AUTO_CLOSED_PAIRS.includes(change?.text ?? '');
    shown.insertedLength = length;
    if (!isTyped && length < shown.text.length) {
      this.notify('textDocument/didPartiallyAcceptCompletion', { item: shown.item, acceptedLength: length });
    }
  }

  dispose(): void {
    this.listener.dispose();
  }
}

/** Returns how much of the suggestion the document contains after a change; 0 if the text no longer matches it. */
function matchingLength(shown: ShownSuggestion, change: vscode.TextDocumentContentChangeEvent): number {
  const start = shown.document.offsetAt(shown.start);
  const end = change.rangeOffset + change.text.length;
  const inserted = shown.document.getText().slice(start, end).replace(/\r\n/g, '\n');
  return change.rangeOffset >= start && shown.text.startsWith(inserted) ? inserted.length : 0;
}
