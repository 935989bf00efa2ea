// A suggestion may come in parts: the daemon says when more of what is shown has been written, and the editor is made to ask
// again, which is not the user's asking.
import * as vscode from 'vscode';

interface Place {
  document: vscode.TextDocument;
  version: number;
  position: vscode.Position;
}

export class More {
  private shown: Place | undefined;
  private asking: Place | undefined;

  /** An answer came for a place. */
  answered(document: vscode.TextDocument, position: vscode.Position, something: boolean): void {
    this.shown = something ? { document, version: document.version, position } : undefined;
  }

  /** Whether the editor asks because it was made to. Says so once. */
  isAsked(document: vscode.TextDocument, position: vscode.Position): boolean {
    const asked = this.asking;
    this.asking = undefined;
    return asked?.document === document && asked.version === document.version && asked.position.isEqual(position);
  }

  /** The daemon has more for a document. */
  async came(uri: string): Promise<void> {
    const { shown } = this;
    const editor = vscode.window.activeTextEditor;
    if (!shown || editor?.document !== shown.document || shown.document.uri.toString() !== uri) return;
    if (shown.document.version !== shown.version || !editor.selection.active.isEqual(shown.position)) return;
    this.asking = shown;
    // What is shown would stay in place of anything newer that begins with it.
    await vscode.commands.executeCommand('editor.action.inlineSuggest.hide');
    await vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
  }
}
