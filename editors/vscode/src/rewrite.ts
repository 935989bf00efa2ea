// Commands whose result the model writes: edits, generated code, docstrings and translated comments open as a preview,
// translated code as a new document. A notification shows the progress and can cancel the request.
import * as vscode from 'vscode';
import type { Daemon } from './daemon';
import type { TextEdit } from './hunks';
import type { Previews } from './preview';
import { targetOf } from './selection';

/** Result of a request. */
interface RewriteResult {
  /** Version of the document that the hunks are for. */
  version: number;
  hunks: TextEdit[];
  text: string | null;
  languageId: string | null;
  notes: string[];
}

const PROGRAMMING_LANGUAGES = [
  'Python', 'Rust', 'TypeScript', 'JavaScript', 'Go', 'Java', 'C', 'C++', 'C#', 'Ruby', 'PHP', 'Lua', 'Bash',
];

/** Natural languages by their own names, with their English names. */
const NATURAL_LANGUAGES = [
  ['Deutsch', 'German'], ['English', ''], ['Español', 'Spanish'], ['Français', 'French'], ['Italiano', 'Italian'],
  ['Português', 'Portuguese'], ['Русский', 'Russian'], ['Українська', 'Ukrainian'], ['中文', 'Chinese'],
  ['日本語', 'Japanese'], ['한국어', 'Korean'],
].map(([label, description]) => ({ label: label!, description: description! }));

const PROGRESS_INTERVAL_MS = 100;

export class Rewriter {
  constructor(private readonly daemon: Daemon, private readonly previews: Previews) {}

  /** Edits the selection, or the function or class at the cursor, as instructed. */
  async edit(givenInstruction?: string): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const placeHolder = 'For example: handle an empty list';
    const options = { title: 'Foretype: Edit', prompt: 'What should change?', placeHolder };
    const instruction = givenInstruction ?? (await vscode.window.showInputBox(options));
    if (!editor || !instruction?.trim()) return;
    await this.preview('foretype/edit', editor, { instruction }, 'editing code');
  }

  /** Generates the code for the comment or signature at the cursor. */
  async generate(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (editor) await this.preview('foretype/generate', editor, {}, 'generating code');
  }

  /** Translates the selection, or the whole document if nothing is selected, into another programming language. */
  async translate(givenLanguage?: string): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const options = { title: 'Foretype: Translate', placeHolder: 'Choose the target language' };
    const to = givenLanguage ?? (await vscode.window.showQuickPick(PROGRAMMING_LANGUAGES, options));
    if (!editor || !to) return;
    const { range, ...document } = targetOf(editor) as { range?: object };
    const params = editor.selection.isEmpty ? { ...document, to } : { ...document, range, to };
    const result = await this.request('foretype/translate', params, `translating to ${to}`);
    if (typeof result?.text !== 'string') return;
    const content = { content: result.text, ...(result.languageId ? { language: result.languageId } : {}) };
    const translation = await vscode.workspace.openTextDocument(content);
    await vscode.window.showTextDocument(translation, vscode.ViewColumn.Beside);
  }

  /** Translates the comments and docstrings of the selection, or of the document if nothing is selected. */
  async translateComments(givenLanguage?: string): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const placeHolder = 'Choose the target language';
    const options = { title: 'Foretype: Translate Comments', placeHolder, matchOnDescription: true };
    const comments = givenLanguage ?? (await vscode.window.showQuickPick(NATURAL_LANGUAGES, options))?.label;
    if (!editor || !comments) return;
    const params = { comments, ...wholeDocumentIfEmpty(editor) };
    await this.preview('foretype/translate', editor, params, `translating comments to ${comments}`);
  }

  /** Writes the docstring of the item at the cursor, or the missing ones in the selection. */
  async docstring(attempt = 0, editor = vscode.window.activeTextEditor): Promise<void> {
    if (!editor) return;
    const regenerate = () => this.docstring(attempt + 1, editor);
    await this.preview('foretype/docstring', editor, { attempt }, 'writing a docstring', regenerate);
  }

  /** Writes all docstrings that the document lacks. */
  async missingDocstrings(attempt = 0, editor = vscode.window.activeTextEditor): Promise<void> {
    if (!editor) return;
    const regenerate = () => this.missingDocstrings(attempt + 1, editor);
    await this.preview('foretype/docstring', editor, { attempt, range: null }, 'writing docstrings', regenerate);
  }

  /** Updates docstrings of the selection, or of the document if nothing is selected, to match their signatures. */
  async updateDocstrings(attempt = 0, editor = vscode.window.activeTextEditor): Promise<void> {
    if (!editor) return;
    const regenerate = () => this.updateDocstrings(attempt + 1, editor);
    const params = { attempt, update: true, ...wholeDocumentIfEmpty(editor) };
    await this.preview('foretype/docstring', editor, params, 'updating docstrings', regenerate);
  }

  /** Sends a request about the editor's document and opens a preview of the result. */
  private async preview(
    method: string, editor: vscode.TextEditor, params: object, activity: string, regenerate?: () => unknown,
  ): Promise<void> {
    const { document } = editor;
    const result = await this.request(method, { ...targetOf(editor), ...params }, activity);
    if (!result) return;
    if (result.version !== document.version) {
      warn('the document changed while the model was writing: run the command again.');
    } else if (!(await this.previews.open(document, result.hunks, regenerate))) {
      void vscode.window.showInformationMessage('Foretype: the model suggests no changes.');
    }
  }

  /** Sends a request and shows its progress. An error is reported here, and the result is then undefined. */
  private async request(method: string, params: object, activity: string): Promise<RewriteResult | undefined> {
    if (!('textDocument' in params)) return void warn('this editor shows neither a file nor an untitled document.');
    const location = vscode.ProgressLocation.Notification;
    const options = { location, title: `Foretype: ${activity}`, cancellable: true };
    return vscode.window.withProgress(options, async (progress, token) => {
      let written = '';
      let percent = 0;
      const report = throttle(() => {
        const current = progressOf(written, method === 'foretype/docstring');
        progress.report({ message: current.message, increment: current.percent - percent });
        percent = current.percent;
      });
      const onText = (text: string) => {
        written += text;
        report.schedule();
      };
      try {
        const result = await this.daemon.stream<RewriteResult>(method, params, onText, token);
        result.notes.forEach((note) => warn(note));
        return result;
      } catch (error) {
        if (!token.isCancellationRequested) warn((error as Error).message);
        return undefined;
      } finally {
        report.dispose();
      }
    });
  }
}

/** Returns parameters that ask for the whole document if nothing is selected. */
function wholeDocumentIfEmpty(editor: vscode.TextEditor): { range?: null } {
  return editor.selection.isEmpty ? { range: null } : {};
}

/** Runs `work` at most once per interval: a small model writes thousands of pieces of text. */
function throttle(work: () => void): { schedule(): void; dispose(): void } {
  let timer: NodeJS.Timeout | undefined;
  const run = () => {
    timer = undefined;
    work();
  };
  return { schedule: () => { timer ??= setTimeout(run, PROGRESS_INTERVAL_MS); }, dispose: () => clearTimeout(timer) };
}

/** Returns the progress: the current item if the daemon numbers them (`3/12 NAME`), otherwise how much is written. */
function progressOf(written: string, isNumbered: boolean): { message: string; percent: number } {
  const lastLine = written.trimEnd().split('\n').at(-1)!.trim().slice(0, 60);
  const [, number, count] = (isNumbered && /^(\d+)\/(\d+) /.exec(lastLine)) || [];
  if (!number || !count) return { message: `${written.length} characters: ${lastLine}`, percent: 0 };
  return { message: lastLine, percent: (100 * (Number(number) - 1)) / Number(count) };
}

function warn(text: string): void {
  void vscode.window.showWarningMessage(`Foretype: ${text}`);
}
