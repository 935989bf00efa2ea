// A change that the user has not taken yet, in a read-only editor of its own in place of the document's: lines that go above
// those that come, and above each piece what can be done with it. The document is changed by what is taken and by nothing
// else. Its text is the measure: where it is neither as it was nor as the taken pieces make it, the user has typed, and the
// preview goes.
import * as vscode from 'vscode';
import { make } from './edits';
import { applied, type Change, type Hunk, hunksOf, linesOf, type Shown, unified, type Verdicts } from './hunks';
import { lensesOf, Marks, pieceAt } from './marks';
import { allTabs, editorOf, previewOf, scheme, uriOf, wanted } from './tabs';

interface Pending {
  source: vscode.TextDocument;
  base: string[];
  hunks: Hunk[];
  verdicts: Verdicts;
  /** What the verdicts were, for undo and redo. */
  history: Verdicts[];
  shown: Shown[];
  text: string;
  /** Which piece the cursor goes to when the editor has this text. */
  goal: number | undefined;
  /** Asks for another change in place of this one. */
  again: (() => unknown) | undefined;
}

interface Here {
  uri: string;
  pending: Pending;
  editor: vscode.TextEditor;
}

export class Previews implements vscode.TextDocumentContentProvider, vscode.CodeLensProvider {
  private readonly pending = new Map<string, Pending>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly lensesChanged = new vscode.EventEmitter<void>();
  private readonly marks: Marks;
  private turn: Promise<void> = Promise.resolve();
  readonly onDidChange = this.changed.event;
  readonly onDidChangeCodeLenses = this.lensesChanged.event;
  private readonly parts: vscode.Disposable;

  constructor(extension: vscode.Uri) {
    this.marks = new Marks(extension);
    this.parts = vscode.Disposable.from(
      this.changed, this.lensesChanged, this.marks,
      vscode.workspace.registerTextDocumentContentProvider(scheme, this),
      vscode.languages.registerCodeLensProvider({ scheme }, this),
      vscode.workspace.onDidChangeTextDocument((event) => this.look(event)),
      vscode.workspace.onDidCloseTextDocument((document) => this.left(document)),
      vscode.window.onDidChangeVisibleTextEditors((editors) => editors.forEach((editor) => this.paint(editor))),
      vscode.window.tabGroups.onDidChangeTabs(({ closed }) => closed.forEach((tab) => this.closed(tab))),
    );
    // When extensions are started anew, as for an update, their editors stay; nothing is known of these.
    void vscode.window.tabGroups.close(allTabs().filter(uriOf)).then(undefined, () => false);
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
    const pending: Pending = { source, base, hunks, verdicts, history: [verdicts], shown: [], text: '', goal: 0, again };
    this.pending.set(uri.toString(), pending);
    this.draw(uri, pending);
    if (!(await wanted(source))) this.forget(uri.toString(), pending);
    // The document may have been changed while somebody was asked.
    if (this.pending.get(uri.toString()) === pending) this.show(await editorOf(uri, source), pending);
    return true;
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.pending.get(uri.toString())?.text ?? '';
  }

  provideCodeLenses({ uri }: vscode.TextDocument): vscode.CodeLens[] {
    const pending = this.pending.get(uri.toString());
    return pending ? lensesOf(pending.shown, pending.hunks.length, pending.again !== undefined) : [];
  }

  /** Takes a piece, or turns it down; without its number that at the cursor, or the next one. */
  decide(verdict: boolean, number?: number): Promise<void> {
    return this.inTurn(async (here) => {
      const { shown } = here.pending;
      const atCursor = () => shown[pieceAt(shown, here.editor.selection.active.line)];
      // A piece that is decided may still have its lens for a moment: that decides nothing more.
      const meant = number === undefined ? atCursor() : shown.find((it) => it.number === number);
      if (meant) await this.settle(here, verdict, [meant.number]);
    });
  }

  /** Takes all that are left in one step of undo, or turns them down. */
  decideAll(verdict: boolean): Promise<void> {
    return this.inTurn((here) => this.settle(here, verdict, here.pending.shown.map(({ number }) => number)));
  }

  /** What is waiting goes, and another change is asked for. */
  async another(): Promise<void> {
    let again: Pending['again'];
    await this.inTurn(async ({ uri, pending }) => {
      again = pending.again;
      if (again) await this.end(uri);
    });
    await again?.();
  }

  /** To the next piece, or to the one before. */
  go(by: 1 | -1): void {
    const here = this.here();
    if (!here) return;
    const { shown } = here.pending;
    here.pending.goal = (pieceAt(shown, here.editor.selection.active.line) + by + shown.length) % shown.length;
    this.show(here.editor, here.pending);
  }

  private here(): Here | undefined {
    const editor = vscode.window.activeTextEditor;
    const uri = editor?.document.uri.toString() ?? '';
    const pending = this.pending.get(uri);
    return editor && pending && { uri, pending, editor };
  }

  /** A decision is about what the one before it has left, however fast they come. */
  private inTurn(work: (here: Here) => Promise<void>): Promise<void> {
    const next = async () => {
      const here = this.here();
      if (here) await work(here);
    };
    this.turn = this.turn.then(next, next);
    return this.turn;
  }

  private async settle({ uri, pending }: Here, verdict: boolean, numbers: number[]): Promise<void> {
    const { verdicts: before, source, hunks } = pending;
    pending.verdicts = before.map((old, at) => (numbers.includes(at) ? verdict : old));
    if (verdict && !(await make(source, hunks, before, numbers))) {
      pending.verdicts = before;
      void vscode.window.showWarningMessage('Foretype: the document cannot be changed.');
      return;
    }
    // The user may have typed meanwhile.
    if (this.pending.get(uri) !== pending) return;
    pending.history.push(pending.verdicts);
    if (!pending.verdicts.includes(undefined)) return this.end(uri);
    this.draw(vscode.Uri.parse(uri), pending);
    pending.goal = Math.max(0, pending.shown.findIndex(({ number }) => number > Math.max(...numbers)));
    this.showAll(uri, pending);
  }

  /** A document has another text: by what was taken, by undo or redo, or as if there were no preview. */
  private look({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    // Without changes the event says that the document is to be saved, and comes before the one with them.
    if (contentChanges.length === 0) return;
    const own = this.pending.get(document.uri.toString());
    if (own) return this.showAll(document.uri.toString(), own);
    const uri = previewOf(document.uri);
    const pending = this.pending.get(uri.toString());
    if (!pending) return;
    const lines = linesOf(document.getText()).join('\n');
    const fits = (verdicts: Verdicts) => applied(pending.base, pending.hunks, verdicts).join('\n') === lines;
    if (fits(pending.verdicts)) return;
    const before = [...pending.history].reverse().find(fits);
    if (!before) return this.drop(uri.toString(), 'changed');
    pending.verdicts = before;
    this.draw(uri, pending);
    this.showAll(uri.toString(), pending);
  }

  private left(document: vscode.TextDocument): void {
    const uri = previewOf(document.uri).toString();
    // Another language for a document is told as its end, too.
    if (document.isClosed && this.pending.get(uri)?.source === document) this.drop(uri, 'closed');
  }

  private drop(uri: string, why: string): void {
    void this.end(uri);
    void vscode.window.showWarningMessage(`Foretype: the document was ${why}. What was not accepted of the preview is dropped.`);
  }

  private draw(uri: vscode.Uri, pending: Pending): void {
    const { lines, shown } = unified(pending.base, pending.hunks, pending.verdicts);
    pending.shown = shown;
    pending.text = lines.join('\n');
    this.changed.fire(uri);
    this.lensesChanged.fire();
  }

  private showAll(uri: string, pending: Pending): void {
    for (const editor of vscode.window.visibleTextEditors) if (editor.document.uri.toString() === uri) this.show(editor, pending);
  }

  /** Colours the text if it is there already, and goes to the piece that is next. */
  private show(editor: vscode.TextEditor, pending: Pending): void {
    if (linesOf(editor.document.getText()).join('\n') !== pending.text) return;
    this.marks.paint(editor, pending.shown);
    const row = pending.goal === undefined ? undefined : pending.shown[pending.goal]?.removed[0];
    pending.goal = undefined;
    if (row === undefined) return;
    editor.selection = new vscode.Selection(row, 0, row, 0);
    editor.revealRange(editor.selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  private paint(editor: vscode.TextEditor): void {
    const pending = this.pending.get(editor.document.uri.toString());
    if (pending) this.show(editor, pending);
  }

  /** Nothing is left to decide: back to the document. */
  private async end(uri: string): Promise<void> {
    const pending = this.pending.get(uri);
    this.forget(uri, pending);
    const tabs = allTabs().filter((tab) => uriOf(tab) === uri);
    const active = tabs.some(({ isActive, group }) => isActive && group.isActive);
    const viewColumn = tabs[0]?.group.viewColumn;
    await vscode.window.tabGroups.close(tabs).then(undefined, () => false);
    if (pending && active && !pending.source.isClosed) await vscode.window.showTextDocument(pending.source, viewColumn);
  }

  private closed(tab: vscode.Tab): void {
    const uri = uriOf(tab);
    if (uri && !allTabs().some((other) => uriOf(other) === uri)) this.forget(uri, this.pending.get(uri));
  }

  private forget(uri: string, pending: Pending | undefined): void {
    if (this.pending.get(uri) === pending) this.pending.delete(uri);
  }
}
