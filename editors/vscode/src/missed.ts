// What is typed while there is no connection is not asked for, and VS Code asks again only at the next key. So when the
// daemon has offered its suggestions and the last of what was typed had no answer, the editor is told to ask.
import * as vscode from 'vscode';
import * as settings from './settings';
import type { State } from './state';

export class Missed {
  private typed: { document: vscode.TextDocument; version: number } | undefined;
  private asks = false;
  private readonly listener = vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
    if (contentChanges.length === 0 || document !== vscode.window.activeTextEditor?.document) return;
    this.typed = { document, version: document.version };
  });

  constructor(private readonly state: State) {}

  /** The daemon answered for this version of a document, be it with nothing. */
  answered(document: vscode.TextDocument, version: number): void {
    if (this.typed?.document === document && this.typed.version <= version) this.typed = undefined;
  }

  /** The daemon's suggestions can be asked for now. */
  async offered(): Promise<void> {
    const { typed, state } = this;
    const document = vscode.window.activeTextEditor?.document;
    const open = typed !== undefined && typed.document === document && typed.version === document.version;
    if (!open || state.now.snoozedUntil || settings.isManual()) return;
    this.asks = true;
    try {
      await vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
    } finally {
      this.asks = false;
    }
  }

  /** Whether a request that comes as if somebody had asked is the one that was made up here. */
  isThis(): boolean {
    const it = this.asks;
    this.asks = false;
    return it;
  }

  dispose(): void {
    this.listener.dispose();
  }
}
