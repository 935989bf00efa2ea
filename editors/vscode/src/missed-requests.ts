// What is typed while there is no connection is not asked for, and VS Code asks again only at the next key. So when there is one
// and the last of what was typed had no answer, the editor is told to ask.
import * as vscode from 'vscode';
import * as settings from './settings';
import type { State } from './state';

/** So many milliseconds after the extension has offered its suggestions the workbench has heard of it, too: until then keys go unasked. */
const heard = 1000;

interface Typed {
  document: vscode.TextDocument;
  version: number;
}

export class Missed {
  private typed: Typed | undefined;
  /** For which a request is made up. */
  private asks: Typed | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly listener = vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
    if (contentChanges.length === 0 || document !== vscode.window.activeTextEditor?.document) return;
    this.typed = { document, version: document.version };
  });

  constructor(private readonly state: State) {}

  /** The daemon answered for this version of a document, be it with nothing. */
  answered(document: vscode.TextDocument, version: number): void {
    if (this.typed?.document === document && this.typed.version <= version) this.typed = undefined;
  }

  /** The daemon has offered its suggestions. */
  offered(): void {
    this.look();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), heard);
  }

  /** Whether a request that comes as if somebody had asked is the one that was made up here. */
  isThis(document: vscode.TextDocument): boolean {
    const { asks } = this;
    this.asks = undefined;
    return asks?.document === document && asks.version === document.version;
  }

  private look(): void {
    const { typed, state } = this;
    const document = vscode.window.activeTextEditor?.document;
    if (!typed || typed.document !== document || typed.version !== document.version) return;
    if (state.now.asking > 0 || state.now.snoozedUntil || settings.isManual()) return;
    this.asks = typed;
    void vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.listener.dispose();
  }
}
