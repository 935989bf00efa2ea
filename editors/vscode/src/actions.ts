// Code actions that the extension provides itself, because they ask for input or open a preview. The daemon provides
// the others over LSP.
import * as vscode from 'vscode';

/** A line to generate code for: a comment, or something that looks like the head of a function. */
const commentOrSignature = /^\s*(#|\/\/|--|\/\*|\*)|\(.*\)[^;]*[{:]\s*$/;

const hasSelection = (_: vscode.TextDocument, range: vscode.Range) => !range.isEmpty;

const isCommentOrSignature = (document: vscode.TextDocument, range: vscode.Range) =>
  commentOrSignature.test(document.lineAt(range.start.line).text);

const actions = [
  { title: 'Edit with Foretype…', command: 'foretype.edit', applies: hasSelection },
  { title: 'Translate with Foretype…', command: 'foretype.translate', applies: hasSelection },
  { title: 'Generate code for this line', command: 'foretype.generate', applies: isCommentOrSignature },
];

const provider: vscode.CodeActionProvider = {
  provideCodeActions(document, range) {
    return actions.filter(({ applies }) => applies(document, range)).map(({ title, command }) => {
      const action = new vscode.CodeAction(title, vscode.CodeActionKind.RefactorRewrite);
      action.command = { title, command };
      return action;
    });
  },
};

export function registerCodeActions(): vscode.Disposable {
  const kinds = { providedCodeActionKinds: [vscode.CodeActionKind.RefactorRewrite] };
  return vscode.languages.registerCodeActionsProvider([{ scheme: 'file' }, { scheme: 'untitled' }], provider, kinds);
}
