// Tells the daemon where the cursor goes while nothing is typed, so that it can get ready for that place.
import * as vscode from 'vscode';
import * as settings from './settings';
import type { State } from './state';

type Send = (method: string, params: object) => void;

export function watchFocus(state: State, send: Send): vscode.Disposable {
  let last: { document: vscode.TextDocument; version: number } | undefined;
  const look = (editor: vscode.TextEditor | undefined) => {
    if (!editor || editor !== vscode.window.activeTextEditor) return;
    const { document, selection } = editor;
    // Typing moves the cursor, too, and is heard of anyway.
    const typed = last?.document === document && last.version !== document.version;
    last = { document, version: document.version };
    const wanted = !state.now.snoozedUntil && settings.isOn(document.languageId) && !settings.isManual();
    if (typed || !selection.isEmpty || !wanted || !['file', 'untitled'].includes(document.uri.scheme)) return;
    const { line, character } = selection.active;
    send('textDocument/didFocus', { textDocument: { uri: document.uri.toString() }, position: { line, character } });
  };
  return vscode.Disposable.from(
    vscode.window.onDidChangeTextEditorSelection((event) => look(event.textEditor)),
    vscode.window.onDidChangeActiveTextEditor(look),
  );
}
