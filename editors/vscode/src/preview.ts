// A change that the user has not taken yet, in a read-only editor of its own in place of the document's: lines that go above
// those that come, coloured, and above each piece what can be done with it. The document is changed by what is taken and by
// nothing else. Its text is the measure: where it is neither as it was nor as the taken pieces make it, the user has typed,
// and the preview goes.
import * as vscode from 'vscode';
import { applied, type Change, type Hunk, hunksOf, linesOf, placed, type Shown, unified, type Verdicts } from './hunks';

export const scheme = 'foretype-preview';

interface Pending {
  source: vscode.TextDocument;
  base: string[];
  hunks: Hunk[];
  verdicts: Verdicts;
  /** What the verdicts were, for undo and redo. */
  history: Verdicts[];
  shown: Shown[];
  text: string;
  /** Asks for another change in place of this one. */
  again: (() => unknown) | undefined;
}

const colour = (name: string, ruler: string) => vscode.window.createTextEditorDecorationType({
  isWholeLine: true, backgroundColor: new vscode.ThemeColor(`diffEditor.${name}LineBackground`),
  overviewRulerColor: new vscode.ThemeColor(`editorOverviewRuler.${ruler}Foreground`),
});

export class Previews implements vscode.TextDocumentContentProvider, vscode.CodeLensProvider {
  private readonly pending = new Map<string, Pending>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly lensesChanged = new vscode.EventEmitter<void>();
  private readonly removed = colour('removed', 'deleted');
  private readonly added = colour('inserted', 'added');
  readonly onDidChange = this.changed.event;
  readonly onDidChangeCodeLenses = this.lensesChanged.event;
  private readonly parts: vscode.Disposable;

  constructor() {
    this.parts = vscode.Disposable.from(
      this.changed, this.lensesChanged, this.removed, this.added,
      vscode.workspace.registerTextDocumentContentProvider(scheme, this),
      vscode.languages.registerCodeLensProvider({ scheme }, this),
      vscode.workspace.onDidChangeTextDocument(({ document }) => this.look(document)),
      vscode.window.onDidChangeVisibleTextEditors((editors) => editors.forEach((editor) => this.paint(editor))),
      vscode.window.tabGroups.onDidChangeTabs(({ closed }) => closed.forEach((tab) => this.closed(tab))),
    );
  }

  dispose(): void {
    this.parts.dispose();
  }

  /** Shows changes of a document as it is now; false if there are none. */
  async open(source: vscode.TextDocument, changes: Change[], again?: () => unknown): Promise<boolean> {
    const base = linesOf(source.getText());
    const hunks = hunksOf(base, changes);
    if (hunks.length === 0) return false;
    const verdicts = hunks.map(() => undefined);
    const uri = previewOf(source.uri);
    const pending: Pending = { source, base, hunks, verdicts, history: [verdicts], shown: [], text: '', again };
    this.pending.set(uri.toString(), pending);
    this.draw(uri, pending);
    const opened = await vscode.workspace.openTextDocument(uri);
    const known = opened.languageId === source.languageId;
    const document = known ? opened : await vscode.languages.setTextDocumentLanguage(opened, source.languageId);
    const viewColumn = vscode.window.visibleTextEditors.find(({ document }) => document === source)?.viewColumn ?? vscode.ViewColumn.Active;
    this.reveal(await vscode.window.showTextDocument(document, { viewColumn, preview: false }), pending, 0);
    return true;
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.pending.get(uri.toString())?.text ?? '';
  }

  provideCodeLenses({ uri }: vscode.TextDocument): vscode.CodeLens[] {
    const pending = this.pending.get(uri.toString());
    if (!pending) return [];
    return pending.shown.flatMap(({ number, removed }, at) => {
      const range = new vscode.Range(removed[0], 0, removed[0], 0);
      const lens = (title: string, command: string, ...rest: unknown[]) =>
        new vscode.CodeLens(range, { title, command: `foretype.${command}`, arguments: rest });
      return [
        lens(`$(check) Accept ${number + 1} of ${pending.hunks.length}`, 'acceptChange', number), lens('$(close) Reject', 'rejectChange', number),
        ...(at > 0 ? [] : [
          lens('$(check-all) Accept All', 'acceptAllChanges'), lens('$(close-all) Reject All', 'rejectAllChanges'),
          ...(pending.again ? [lens('$(refresh) Another', 'anotherChange')] : []),
        ]),
      ];
    });
  }

  /** Takes a piece, or turns it down; without its number that at the cursor, or the next one. */
  async decide(verdict: boolean, number?: number): Promise<void> {
    const here = this.here();
    if (!here) return;
    const row = here.editor.selection.active.line;
    const { shown } = here.pending;
    const atCursor = () => shown.find((it) => row < Math.max(it.added[1], it.removed[0] + 1)) ?? shown[0];
    // A piece that is decided may still have its lens for a moment: that decides nothing more.
    const meant = number === undefined ? atCursor() : shown.find((it) => it.number === number);
    if (meant) await this.settle(here.uri, here.pending, verdict, [meant.number]);
  }

  /** Takes all that are left in one step of undo, or turns them down. */
  async decideAll(verdict: boolean): Promise<void> {
    const here = this.here();
    if (here) await this.settle(here.uri, here.pending, verdict, here.pending.shown.map(({ number }) => number));
  }

  /** What is waiting goes, and another change is asked for. */
  async another(): Promise<void> {
    const here = this.here();
    if (!here?.pending.again) return;
    await this.end(here.uri);
    await here.pending.again();
  }

  private here(): { uri: string; pending: Pending; editor: vscode.TextEditor } | undefined {
    const editor = vscode.window.activeTextEditor;
    const uri = editor?.document.uri.toString() ?? '';
    const pending = this.pending.get(uri);
    return editor && pending && { uri, pending, editor };
  }

  private async settle(uri: string, pending: Pending, verdict: boolean, numbers: number[]): Promise<void> {
    const before = pending.verdicts;
    pending.verdicts = before.map((old, at) => (numbers.includes(at) ? verdict : old));
    if (verdict && !(await make(pending, before, numbers))) {
      pending.verdicts = before;
      void vscode.window.showWarningMessage('Foretype: the document cannot be changed.');
      return;
    }
    pending.history.push(pending.verdicts);
    if (!pending.verdicts.includes(undefined)) return this.end(uri);
    this.draw(vscode.Uri.parse(uri), pending);
    const editor = vscode.window.visibleTextEditors.find(({ document }) => document.uri.toString() === uri);
    const next = pending.shown.findIndex(({ number }) => number > Math.max(...numbers));
    if (editor) this.reveal(editor, pending, Math.max(next, 0));
  }

  /** A document has another text: by what was taken, by undo or redo, or as if there were no preview. */
  private look(document: vscode.TextDocument): void {
    for (const editor of vscode.window.visibleTextEditors) if (editor.document === document) this.paint(editor);
    const uri = previewOf(document.uri).toString();
    const pending = document.uri.scheme === scheme ? undefined : this.pending.get(uri);
    if (!pending) return;
    const lines = linesOf(document.getText()).join('\n');
    const fits = (verdicts: Verdicts) => applied(pending.base, pending.hunks, verdicts).join('\n') === lines;
    if (fits(pending.verdicts)) return;
    const before = [...pending.history].reverse().find(fits);
    if (!before) {
      void this.end(uri);
      void vscode.window.showWarningMessage('Foretype: the document was changed. What was not accepted of the preview is dropped.');
      return;
    }
    pending.verdicts = before;
    this.draw(vscode.Uri.parse(uri), pending);
  }

  private draw(uri: vscode.Uri, pending: Pending): void {
    const { lines, shown } = unified(pending.base, pending.hunks, pending.verdicts);
    pending.shown = shown;
    pending.text = lines.join('\n');
    this.changed.fire(uri);
    this.lensesChanged.fire();
  }

  private paint(editor: vscode.TextEditor): void {
    const pending = this.pending.get(editor.document.uri.toString());
    if (!pending) return;
    const rows = (side: 'removed' | 'added') => pending.shown.filter((it) => it[side][1] > it[side][0])
      .map((it) => new vscode.Range(it[side][0], 0, it[side][1] - 1, 0));
    editor.setDecorations(this.removed, rows('removed'));
    editor.setDecorations(this.added, rows('added'));
  }

  private reveal(editor: vscode.TextEditor, pending: Pending, at: number): void {
    this.paint(editor);
    const row = pending.shown[at]?.removed[0] ?? 0;
    const range = new vscode.Range(row, 0, row, 0);
    editor.selection = new vscode.Selection(range.start, range.end);
    editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  /** Nothing is left to decide: back to the document. */
  private async end(uri: string): Promise<void> {
    const pending = this.forget(uri);
    const tabs = vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs).filter((tab) => uriOf(tab) === uri);
    const active = tabs.some(({ isActive, group }) => isActive && group.isActive);
    const viewColumn = tabs[0]?.group.viewColumn;
    await vscode.window.tabGroups.close(tabs).then(undefined, () => false);
    if (pending && active && !pending.source.isClosed) await vscode.window.showTextDocument(pending.source, viewColumn);
  }

  private closed(tab: vscode.Tab): void {
    const uri = uriOf(tab);
    if (uri) this.forget(uri);
  }

  private forget(uri: string): Pending | undefined {
    const pending = this.pending.get(uri);
    this.pending.delete(uri);
    return pending;
  }
}

/** The same path, so that it has the same name and language. */
function previewOf(source: vscode.Uri): vscode.Uri {
  return vscode.Uri.from({ scheme, path: source.path.startsWith('/') ? source.path : `/${source.path}`, query: source.toString() });
}

function uriOf(tab: vscode.Tab): string | undefined {
  return tab.input instanceof vscode.TabInputText && tab.input.uri.scheme === scheme ? tab.input.uri.toString() : undefined;
}

/** Changes the document, in one step of undo. */
async function make({ source, hunks }: Pending, before: Verdicts, numbers: number[]): Promise<boolean> {
  const edit = new vscode.WorkspaceEdit();
  for (const number of numbers) {
    const { first, last } = placed(hunks, before, number);
    const { range, text } = replacement(source, first, last, hunks[number]!.lines);
    edit.replace(source.uri, range, text);
  }
  return vscode.workspace.applyEdit(edit);
}

/** Whole lines, of which the last of a document has no end. */
function replacement(source: vscode.TextDocument, first: number, last: number, lines: string[]): { range: vscode.Range; text: string } {
  if (last < source.lineCount) return { range: new vscode.Range(first, 0, last, 0), text: lines.map((line) => `${line}\n`).join('') };
  const end = source.lineAt(source.lineCount - 1).range.end;
  const start = first > 0 ? source.lineAt(first - 1).range.end : new vscode.Position(0, 0);
  return { range: new vscode.Range(start, end), text: (first > 0 && lines.length > 0 ? '\n' : '') + lines.join('\n') };
}
