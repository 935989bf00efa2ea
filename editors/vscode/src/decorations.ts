// The decorations of a preview: background colours and gutter signs of removed and added lines, and the code lenses of
// each hunk. The signs serve themes without diff colours and readers who cannot tell the colours apart.
import * as vscode from 'vscode';
import type { HunkRows } from './hunks';

export class DiffDecorations {
  private readonly types: Record<'removed' | 'added', vscode.TextEditorDecorationType>;

  constructor(extension: vscode.Uri) {
    const create = (icon: string, background: string, ruler: string) => vscode.window.createTextEditorDecorationType({
      isWholeLine: true,
      backgroundColor: new vscode.ThemeColor(background),
      overviewRulerColor: new vscode.ThemeColor(ruler),
      gutterIconPath: vscode.Uri.joinPath(extension, 'media', icon),
      gutterIconSize: 'contain',
    });
    this.types = {
      removed: create('removed.svg', 'diffEditor.removedLineBackground', 'editorOverviewRuler.deletedForeground'),
      added: create('added.svg', 'diffEditor.insertedLineBackground', 'editorOverviewRuler.addedForeground'),
    };
  }

  apply(editor: vscode.TextEditor, hunks: HunkRows[]): void {
    for (const side of ['removed', 'added'] as const) {
      const rows = hunks.map((hunk) => hunk[side]).filter(([first, last]) => last > first);
      editor.setDecorations(this.types[side], rows.map(([first, last]) => new vscode.Range(first, 0, last - 1, 0)));
    }
  }

  dispose(): void {
    vscode.Disposable.from(...Object.values(this.types)).dispose();
  }
}

/** Returns the lenses of each undecided hunk; the first also has those for all. `count` is the number of all hunks. */
export function codeLensesOf(undecided: HunkRows[], count: number, canRegenerate: boolean): vscode.CodeLens[] {
  return undecided.flatMap(({ index, removed: [row] }, at) => {
    const lens = (title: string, command: string, ...args: unknown[]) =>
      new vscode.CodeLens(new vscode.Range(row, 0, row, 0), { title, command: `foretype.${command}`, arguments: args });
    const own = [
      lens(`$(check) Accept ${index + 1} of ${count}`, 'acceptChange', index),
      lens('$(close) Reject', 'rejectChange', index),
    ];
    if (at > 0) return own;
    return [
      ...own,
      lens('$(check-all) Accept All', 'acceptAllChanges'),
      lens('$(close-all) Reject All', 'rejectAllChanges'),
      ...(canRegenerate ? [lens('$(refresh) Another', 'anotherChange')] : []),
    ];
  });
}

/** Returns the position in `undecided` of the hunk at a row, else of the next one, else of the first. */
export function hunkAt(undecided: HunkRows[], row: number): number {
  return Math.max(0, undecided.findIndex((hunk) => row < Math.max(hunk.added[1], hunk.removed[0] + 1)));
}
