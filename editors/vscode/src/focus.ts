// Reports cursor movements that are not typing, so that the daemon can prefetch the prompt where the cursor rests.
import * as vscode from 'vscode';
import * as settings from './settings';
import type { State } from './state';

type Notify = (method: string, params: object) => void;

export function watchFocus(state: State, notify: Notify): vscode.Disposable {
  let last: { document: vscode.TextDocument; version: number } | undefined;
  const report = (editor: vscode.TextEditor | undefined) => {
    if (!editor || editor !== vscode.window.activeTextEditor) return;
    const { document, selection } = editor;
    // Typing moves the cursor, too; the daemon learns of it from the edit.
    const edited = last?.document === document && last.version !== document.version;
    last = { document, version: document.version };
    const enabled = !state.values.snoozedUntil && settings.isEnabled(document.languageId) && !settings.isManual();
    const supported = ['file', 'untitled'].includes(document.uri.scheme);
    if (edited || !selection.isEmpty || !enabled || !supported) return;
    const { line, character } = selection.active;
    const textDocument = { uri: document.uri.toString() };
    notify('textDocument/didFocus', { textDocument, position: { line, character } });
  };
  return vscode.Disposable.from(
    vscode.window.onDidChangeTextEditorSelection((event) => report(event.textEditor)),
    vscode.window.onDidChangeActiveTextEditor(report),
  );
}
