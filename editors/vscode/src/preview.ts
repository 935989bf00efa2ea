// Previews: changes that the user has not accepted yet, in a read-only editor that opens in place of the document.
// Removed lines are above added lines, and each hunk has code lenses. Only accepting a hunk edits the document. If its
// text is no longer the original with some state of the decisions applied, the user has edited it, and the preview
// closes.
import * as vscode from 'vscode';
import { codeLensesOf, DiffDecorations, hunkAt } from './decorations';
import { applyHunks } from './edits';
import {
  applyAccepted, type Decisions, type Hunk, type HunkRows, hunksOf, linesOf, renderPreview, type TextEdit,
} from './hunks';
import { allTabs, confirmOpening, openPreviewEditor, PREVIEW_SCHEME, previewUri, previewUriOf } from './preview-tabs';

interface Preview {
  document: vscode.TextDocument;
  /** Lines of the document when the preview was opened. */
  original: string[];
  hunks: Hunk[];
  decisions: Decisions;
  /** Earlier decisions, for undo and redo in the document. */
  history: Decisions[];
  undecided: HunkRows[];
  /** Text of the preview. */
  text: string;
  /** Position in `undecided` to which the cursor moves once the editor shows `text`. */
  nextHunk: number | undefined;
  /** Runs the command again, for another change in place of this one. */
  regenerate: (() => unknown) | undefined;
}

interface ActivePreview {
  uri: string;
  preview: Preview;
  editor: vscode.TextEditor;
}

export class Previews implements vscode.TextDocumentContentProvider, vscode.CodeLensProvider {
  /** Previews by their URI. */
  private readonly previews = new Map<string, Preview>();
  private readonly textChanged = new vscode.EventEmitter<vscode.Uri>();
  private readonly lensesChanged = new vscode.EventEmitter<void>();
  private readonly decorations: DiffDecorations;
  private lastDecision: Promise<void> = Promise.resolve();
  readonly onDidChange = this.textChanged.event;
  readonly onDidChangeCodeLenses = this.lensesChanged.event;
  private readonly disposables: vscode.Disposable;

  constructor(extension: vscode.Uri) {
    this.decorations = new DiffDecorations(extension);
    this.disposables = vscode.Disposable.from(
      this.textChanged, this.lensesChanged, this.decorations,
      vscode.workspace.registerTextDocumentContentProvider(PREVIEW_SCHEME, this),
      vscode.languages.registerCodeLensProvider({ scheme: PREVIEW_SCHEME }, this),
      vscode.workspace.onDidChangeTextDocument((event) => this.documentChanged(event)),
      vscode.workspace.onDidCloseTextDocument((document) => this.documentClosed(document)),
      vscode.window.onDidChangeVisibleTextEditors((editors) => editors.forEach((editor) => this.editorVisible(editor))),
      vscode.window.tabGroups.onDidChangeTabs(({ closed }) => closed.forEach((tab) => this.tabClosed(tab))),
    );
    // Tabs outlive a restart of the extension host, as after an update, but their previews do not.
    void vscode.window.tabGroups.close(allTabs().filter(previewUriOf)).then(undefined, () => false);
  }

  dispose(): void {
    this.disposables.dispose();
  }

  /** Shows edits of a document in its current version. Returns false if they change nothing. */
  async open(document: vscode.TextDocument, edits: TextEdit[], regenerate?: () => unknown): Promise<boolean> {
    const original = linesOf(document.getText());
    const hunks = hunksOf(original, edits);
    if (hunks.length === 0) return false;
    const decisions = hunks.map(() => undefined);
    const uri = previewUri(document.uri);
    const preview: Preview = {
      document, original, hunks, decisions, history: [decisions], undecided: [], text: '', nextHunk: 0, regenerate,
    };
    this.previews.set(uri.toString(), preview);
    this.render(uri, preview);
    if (!(await confirmOpening(document))) this.remove(uri.toString(), preview);
    // The document may have changed before the user confirmed.
    if (this.previews.get(uri.toString()) === preview) this.show(await openPreviewEditor(uri, document), preview);
    return true;
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.previews.get(uri.toString())?.text ?? '';
  }

  provideCodeLenses({ uri }: vscode.TextDocument): vscode.CodeLens[] {
    const preview = this.previews.get(uri.toString());
    return preview ? codeLensesOf(preview.undecided, preview.hunks.length, preview.regenerate !== undefined) : [];
  }

  /** Accepts or rejects a hunk; if no index is given, the one at the cursor, or the next one. */
  decide(accept: boolean, index?: number): Promise<void> {
    return this.enqueue(async (active) => {
      const { undecided } = active.preview;
      const atCursor = () => undecided[hunkAt(undecided, active.editor.selection.active.line)];
      // The lens of a decided hunk may still be visible for a moment; clicking it does nothing.
      const hunk = index === undefined ? atCursor() : undecided.find((other) => other.index === index);
      if (hunk) await this.apply(active, accept, [hunk.index]);
    });
  }

  /** Accepts all undecided hunks as one undo step, or rejects them. */
  decideAll(accept: boolean): Promise<void> {
    return this.enqueue((active) => this.apply(active, accept, active.preview.undecided.map(({ index }) => index)));
  }

  /** Closes the preview and runs its command again for another change. */
  async regenerate(): Promise<void> {
    let regenerate: Preview['regenerate'];
    await this.enqueue(async ({ uri, preview }) => {
      regenerate = preview.regenerate;
      if (regenerate) await this.close(uri);
    });
    await regenerate?.();
  }

  /** Moves the cursor to the next or the previous undecided hunk. */
  move(step: 1 | -1): void {
    const active = this.active();
    if (!active) return;
    const { preview, editor } = active;
    const count = preview.undecided.length;
    preview.nextHunk = (hunkAt(preview.undecided, editor.selection.active.line) + step + count) % count;
    this.show(editor, preview);
  }

  private active(): ActivePreview | undefined {
    const editor = vscode.window.activeTextEditor;
    const uri = editor?.document.uri.toString() ?? '';
    const preview = this.previews.get(uri);
    return editor && preview && { uri, preview, editor };
  }

  /** Runs decisions one after another, so that each sees the result of the one before. */
  private enqueue(work: (active: ActivePreview) => Promise<void>): Promise<void> {
    const run = async () => {
      const active = this.active();
      if (active) await work(active);
    };
    this.lastDecision = this.lastDecision.then(run, run);
    return this.lastDecision;
  }

  private async apply({ uri, preview }: ActivePreview, accept: boolean, indices: number[]): Promise<void> {
    const { decisions: before, document, hunks } = preview;
    // Set first: documentChanged() compares the edited document with it.
    preview.decisions = before.map((decision, index) => (indices.includes(index) ? accept : decision));
    if (accept && !(await applyHunks(document, hunks, before, indices))) {
      preview.decisions = before;
      void vscode.window.showWarningMessage('Foretype: the document could not be edited.');
      return;
    }
    // The user may have edited the document in the meantime, which closes the preview.
    if (this.previews.get(uri) !== preview) return;
    preview.history.push(preview.decisions);
    if (!preview.decisions.includes(undefined)) return this.close(uri);
    this.render(vscode.Uri.parse(uri), preview);
    preview.nextHunk = Math.max(0, preview.undecided.findIndex(({ index }) => index > Math.max(...indices)));
    this.showInVisibleEditors(uri, preview);
  }

  /** Handles a change of a preview's text, or of a document: an accepted hunk, undo, redo, or an edit by the user. */
  private documentChanged({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    // An event without changes announces that the dirty state changed, and precedes the one with the changes.
    if (contentChanges.length === 0) return;
    const changedPreview = this.previews.get(document.uri.toString());
    if (changedPreview) return this.showInVisibleEditors(document.uri.toString(), changedPreview);
    const uri = previewUri(document.uri);
    const preview = this.previews.get(uri.toString());
    if (!preview) return;
    const text = linesOf(document.getText()).join('\n');
    const { original, hunks } = preview;
    const matches = (decisions: Decisions) => applyAccepted(original, hunks, decisions).join('\n') === text;
    if (matches(preview.decisions)) return;
    const decisions = [...preview.history].reverse().find(matches);
    if (!decisions) return this.drop(uri.toString(), 'changed');
    preview.decisions = decisions;
    this.render(uri, preview);
    this.showInVisibleEditors(uri.toString(), preview);
  }

  private documentClosed(document: vscode.TextDocument): void {
    const uri = previewUri(document.uri).toString();
    // VS Code also reports a change of the language as a close.
    if (document.isClosed && this.previews.get(uri)?.document === document) this.drop(uri, 'closed');
  }

  private drop(uri: string, event: 'changed' | 'closed'): void {
    void this.close(uri);
    const text = `Foretype: the document was ${event}, so the preview was closed and its remaining hunks were dropped.`;
    void vscode.window.showWarningMessage(text);
  }

  private render(uri: vscode.Uri, preview: Preview): void {
    const { lines, undecided } = renderPreview(preview.original, preview.hunks, preview.decisions);
    preview.undecided = undecided;
    preview.text = lines.join('\n');
    this.textChanged.fire(uri);
    this.lensesChanged.fire();
  }

  private showInVisibleEditors(uri: string, preview: Preview): void {
    const editors = vscode.window.visibleTextEditors.filter(({ document }) => document.uri.toString() === uri);
    for (const editor of editors) this.show(editor, preview);
  }

  /** Applies the decorations and moves the cursor to the next hunk, if the editor already shows the current text. */
  private show(editor: vscode.TextEditor, preview: Preview): void {
    if (linesOf(editor.document.getText()).join('\n') !== preview.text) return;
    this.decorations.apply(editor, preview.undecided);
    const row = preview.nextHunk === undefined ? undefined : preview.undecided[preview.nextHunk]?.removed[0];
    preview.nextHunk = undefined;
    if (row === undefined) return;
    editor.selection = new vscode.Selection(row, 0, row, 0);
    editor.revealRange(editor.selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  private editorVisible(editor: vscode.TextEditor): void {
    const preview = this.previews.get(editor.document.uri.toString());
    if (preview) this.show(editor, preview);
  }

  /** Closes a preview and returns to its document if the preview was active. */
  private async close(uri: string): Promise<void> {
    const preview = this.previews.get(uri);
    this.remove(uri, preview);
    const tabs = allTabs().filter((tab) => previewUriOf(tab) === uri);
    const wasActive = tabs.some(({ isActive, group }) => isActive && group.isActive);
    const viewColumn = tabs[0]?.group.viewColumn;
    await vscode.window.tabGroups.close(tabs).then(undefined, () => false);
    if (!preview || !wasActive || preview.document.isClosed) return;
    await vscode.window.showTextDocument(preview.document, viewColumn);
  }

  private tabClosed(tab: vscode.Tab): void {
    const uri = previewUriOf(tab);
    if (uri && !allTabs().some((other) => previewUriOf(other) === uri)) this.remove(uri, this.previews.get(uri));
  }

  private remove(uri: string, preview: Preview | undefined): void {
    if (this.previews.get(uri) === preview) this.previews.delete(uri);
  }
}
