// How a preview looks: lines that go and lines that come are coloured and have a sign beside them, for themes without such
// colours and eyes that do not tell them apart; above each piece stands what can be done with it.
import * as vscode from 'vscode';
import type { Shown } from './hunks';

export class Marks {
  private readonly sides: Record<'removed' | 'added', vscode.TextEditorDecorationType>;

  constructor(extension: vscode.Uri) {
    const side = (name: 'removed' | 'added', line: string, ruler: string) => vscode.window.createTextEditorDecorationType({
      isWholeLine: true, backgroundColor: new vscode.ThemeColor(`diffEditor.${line}LineBackground`),
      overviewRulerColor: new vscode.ThemeColor(`editorOverviewRuler.${ruler}Foreground`),
      gutterIconPath: vscode.Uri.joinPath(extension, 'media', `${name}.svg`), gutterIconSize: 'contain',
    });
    this.sides = { removed: side('removed', 'removed', 'deleted'), added: side('added', 'inserted', 'added') };
  }

  paint(editor: vscode.TextEditor, shown: Shown[]): void {
    for (const side of ['removed', 'added'] as const) {
      const rows = shown.map((it) => it[side]).filter(([first, last]) => last > first);
      editor.setDecorations(this.sides[side], rows.map(([first, last]) => new vscode.Range(first, 0, last - 1, 0)));
    }
  }

  dispose(): void {
    vscode.Disposable.from(...Object.values(this.sides)).dispose();
  }
}

/** What can be done with each of so many pieces, and above the first with all of them. */
export function lensesOf(shown: Shown[], count: number, another: boolean): vscode.CodeLens[] {
  return shown.flatMap(({ number, removed: [row] }, at) => {
    const lens = (title: string, command: string, ...rest: unknown[]) =>
      new vscode.CodeLens(new vscode.Range(row, 0, row, 0), { title, command: `foretype.${command}`, arguments: rest });
    return [
      lens(`$(check) Accept ${number + 1} of ${count}`, 'acceptChange', number), lens('$(close) Reject', 'rejectChange', number),
      ...(at > 0 ? [] : [
        lens('$(check-all) Accept All', 'acceptAllChanges'), lens('$(close-all) Reject All', 'rejectAllChanges'),
        ...(another ? [lens('$(refresh) Another', 'anotherChange')] : []),
      ]),
    ];
  });
}

/** The piece at a row, or the next one, or the first. */
export function pieceAt(shown: Shown[], row: number): number {
  return Math.max(0, shown.findIndex((it) => row < Math.max(it.added[1], it.removed[0] + 1)));
}
