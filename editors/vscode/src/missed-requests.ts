// Repeats requests that were lost. VS Code sends no request for a key typed while there is no connection, and none
// later until the next key. So when the connection is back and the last edit has no answer, this module triggers a
// request.
import * as vscode from 'vscode';
import * as settings from './settings';
import type { State } from './state';

/** Milliseconds that the workbench may take to learn of a registered provider; it sends no request for keys before
 *  that. */
const REGISTRATION_DELAY_MS = 1000;

interface Edit {
  document: vscode.TextDocument;
  version: number;
}

export class MissedRequests {
  /** The last edit, until a request for it is answered. */
  private unanswered: Edit | undefined;
  /** The edit for which a request was triggered here. */
  private retried: Edit | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly listener = vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
    if (contentChanges.length === 0 || document !== vscode.window.activeTextEditor?.document) return;
    this.unanswered = { document, version: document.version };
  });

  constructor(private readonly state: State) {}

  /** The daemon answered a request for this version of a document, perhaps with an empty list. */
  answered(document: vscode.TextDocument, version: number): void {
    const { unanswered } = this;
    if (unanswered?.document === document && unanswered.version <= version) this.unanswered = undefined;
  }

  /** The daemon registered its inline completions. */
  registered(): void {
    this.retry();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), REGISTRATION_DELAY_MS);
  }

  /** Tells whether a request, which VS Code reports as explicit, was triggered here and not by the user. */
  isRetry(document: vscode.TextDocument): boolean {
    const { retried } = this;
    this.retried = undefined;
    return retried?.document === document && retried.version === document.version;
  }

  private retry(): void {
    const { unanswered, state } = this;
    const document = vscode.window.activeTextEditor?.document;
    if (!unanswered || unanswered.document !== document || unanswered.version !== document.version) return;
    if (state.values.pendingRequests > 0 || state.values.snoozedUntil || settings.isManual()) return;
    this.retried = unanswered;
    void vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.listener.dispose();
  }
}
