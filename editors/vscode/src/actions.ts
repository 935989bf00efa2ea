// Code actions that begin with us and not with the daemon: they ask for words, or open something, which only an editor can.
import * as vscode from 'vscode';

/** A line that code can be written for: a comment, or what looks like the head of a function. */
const begins = /^\s*(#|\/\/|--|\/\*|\*)|\(.*\)[^;]*[{:]\s*$/;

const selected = (_: vscode.TextDocument, range: vscode.Range) => !range.isEmpty;

const offered = [
  { title: 'Edit with Foretype…', command: 'foretype.edit', when: selected },
  { title: 'Translate with Foretype…', command: 'foretype.translate', when: selected },
  {
    title: 'Write the code for this line',
    command: 'foretype.generate',
    when: (document: vscode.TextDocument, range: vscode.Range) => begins.test(document.lineAt(range.start.line).text),
  },
];

const provider: vscode.CodeActionProvider = {
  provideCodeActions(document, range) {
    return offered.filter(({ when }) => when(document, range)).map(({ title, command }) => {
      const action = new vscode.CodeAction(title, vscode.CodeActionKind.RefactorRewrite);
      action.command = { title, command };
      return action;
    });
  },
};

export function offerActions(): vscode.Disposable {
  const kinds = { providedCodeActionKinds: [vscode.CodeActionKind.RefactorRewrite] };
  return vscode.languages.registerCodeActionsProvider([{ scheme: 'file' }, { scheme: 'untitled' }], provider, kinds);
}
