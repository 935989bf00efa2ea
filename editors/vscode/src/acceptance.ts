// Tells the daemon which suggestion was shown and how much of it was taken by word or line. VS Code's stable interface does
// not report either, so it is read off the buffer: shown is what answered the cursor's place, and an insertion of several
// characters that begins what is left of it was taken from it. Acceptance of the whole is the item's own command.
import * as vscode from 'vscode';

type Send = (method: string, params: object) => void;

interface Shown {
  document: vscode.TextDocument;
  /** Where the suggestion begins. */
  start: vscode.Position;
  text: string;
  /** UTF-16 units of it that stand in the document. */
  there: number;
  item: object;
}

export class Taken {
  private shown: Shown | undefined;
  private readonly listener = vscode.workspace.onDidChangeTextDocument((event) => this.edited(event));

  constructor(private readonly send: Send) {}

  /** An answer came. It is shown if the cursor still stands there. */
  answered(document: vscode.TextDocument, position: vscode.Position, items: vscode.InlineCompletionItem[]): void {
    this.shown = undefined;
    const [first] = items;
    const editor = vscode.window.activeTextEditor;
    if (!first || editor?.document !== document || !editor.selection.active.isEqual(position)) return;
    const start = first.range?.start ?? position;
    const text = typeof first.insertText === 'string' ? first.insertText : first.insertText.value;
    const there = document.offsetAt(position) - document.offsetAt(start);
    const item = { insertText: text, command: first.command };
    this.shown = { document, start, text, there, item };
    this.send('textDocument/didShowCompletion', { item });
  }

  private edited({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const shown = this.shown;
    if (!shown || document !== shown.document || contentChanges.length === 0) return;
    const inserted = contentChanges.length === 1 ? contentChanges[0]?.text : undefined;
    const length = inserted === undefined ? 0 : this.length(shown, contentChanges[0]!);
    if (length === 0) {
      this.shown = undefined;
      return;
    }
    const byHand = length - shown.there <= 1 || pairs.includes(inserted ?? '');
    shown.there = length;
    if (!byHand && length < shown.text.length) {
      this.send('textDocument/didPartiallyAcceptCompletion', { item: shown.item, acceptedLength: length });
    }
  }

  /** How much of the suggestion stands in the document after a change, 0 if the change left it. */
  private length(shown: Shown, change: vscode.TextDocumentContentChangeEvent): number {
    const start = shown.document.offsetAt(shown.start);
    const end = change.rangeOffset + change.text.length;
    const taken = shown.document.getText().slice(start, end).replace(/\r\n/g, '\n');
    return change.rangeOffset >= start && shown.text.startsWith(taken) ? taken.length : 0;
  }

  dispose(): void {
    this.listener.dispose();
  }
}

/** What the editor itself inserts when the first of two is typed. */
const pairs = ['()', '[]', '{}', '""', "''", '``', '<>'];
