// Code that the model writes for a document: edits and generated code come as a preview, translations as a document of their
// own. While it writes, a message shows how far it is, and can stop it.
import * as vscode from 'vscode';
import type { Daemon } from './daemon';
import type { Change } from './hunks';
import type { Previews } from './preview';
import { about } from './selection';

/** What came of it. */
interface Rewritten {
  version: number;
  hunks: Change[];
  text: string | null;
  languageId: string | null;
  notes: string[];
}

const languages = ['Python', 'Rust', 'TypeScript', 'JavaScript', 'Go', 'Java', 'C', 'C++', 'C#', 'Ruby', 'PHP', 'Lua', 'Bash'];

/** Natural languages, in themselves and as the daemon knows them. */
const tongues = [
  ['Deutsch', 'German'], ['English', ''], ['Español', 'Spanish'], ['Français', 'French'], ['Italiano', 'Italian'], ['Português', 'Portuguese'],
  ['Русский', 'Russian'], ['Українська', 'Ukrainian'], ['中文', 'Chinese'], ['日本語', 'Japanese'], ['한국어', 'Korean'],
].map(([label, description]) => ({ label: label!, description: description! }));

export class Rewriter {
  constructor(private readonly daemon: Daemon, private readonly previews: Previews) {}

  /** Changes the selection, or the function or class at the cursor, as somebody says. */
  async edit(words?: string): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const asked = { title: 'Foretype: Edit', prompt: 'What is to be changed?', placeHolder: 'for example: handle an empty list' };
    const instruction = words ?? (await vscode.window.showInputBox(asked));
    if (editor && instruction?.trim()) await this.preview('foretype/edit', editor, { instruction }, 'changes the code');
  }

  /** Writes the code for the comment or signature at the cursor. */
  async generate(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (editor) await this.preview('foretype/generate', editor, {}, 'writes code');
  }

  /** Translates the selection, or the whole document where nothing is selected. */
  async translate(name?: string): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const to = name ?? (await vscode.window.showQuickPick(languages, { title: 'Foretype: Translate', placeHolder: 'Into which language?' }));
    if (!editor || !to) return;
    const { range, ...document } = about(editor) as { range?: object };
    const params = editor.selection.isEmpty ? { ...document, to } : { ...document, range, to };
    const answer = await this.ask('foretype/translate', params, `translates to ${to}`);
    if (typeof answer?.text !== 'string') return;
    const written = { content: answer.text, ...(answer.languageId ? { language: answer.languageId } : {}) };
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(written), vscode.ViewColumn.Beside);
  }

  /** Translates the comments and docstrings of the selection, or of the document where nothing is selected, and leaves the code. */
  async comments(name?: string): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const asked = { title: 'Foretype: Translate Comments', placeHolder: 'Into which language?', matchOnDescription: true };
    const comments = name ?? (await vscode.window.showQuickPick(tongues, asked))?.label;
    if (!editor || !comments) return;
    const whole = editor.selection.isEmpty ? { range: null } : {};
    await this.preview('foretype/translate', editor, { comments, ...whole }, `translates comments: ${comments}`);
  }

  /** Shows the docstring of what is at the cursor, or what in the selection has none. */
  async docstring(attempt = 0, editor = vscode.window.activeTextEditor): Promise<void> {
    if (!editor) return;
    const again = () => this.docstring(attempt + 1, editor);
    await this.preview('foretype/docstring', editor, { attempt }, 'writes a docstring', again);
  }

  /** Shows the docstrings of all in the document that have none. */
  async docstrings(attempt = 0, editor = vscode.window.activeTextEditor): Promise<void> {
    if (!editor) return;
    const again = () => this.docstrings(attempt + 1, editor);
    await this.preview('foretype/docstring', editor, { attempt, range: null }, 'writes docstrings', again);
  }

  /** Shows what is to be changed in docstrings, of the selection or the document, for them to match their signatures. */
  async update(attempt = 0, editor = vscode.window.activeTextEditor): Promise<void> {
    if (!editor) return;
    const again = () => this.update(attempt + 1, editor);
    const whole = editor.selection.isEmpty ? { range: null } : {};
    await this.preview('foretype/docstring', editor, { attempt, update: true, ...whole }, 'updates docstrings', again);
  }

  /** Shows what comes of a request as a preview of the editor's document. */
  async preview(method: string, { document, selection }: vscode.TextEditor, params: object, title: string, again?: () => unknown): Promise<void> {
    const where = about({ document, selection } as vscode.TextEditor);
    const answer = await this.ask(method, { ...where, ...params }, title);
    if (!answer) return;
    if (answer.version !== document.version) {
      tell('the document was changed meanwhile and is left as it is: ask again.');
    } else if (!(await this.previews.open(document, answer.hunks, again))) {
      void vscode.window.showInformationMessage('Foretype: the model would change nothing.');
    }
  }

  /** Says itself why nothing came. */
  private async ask(method: string, params: object, title: string): Promise<Rewritten | undefined> {
    if (!('textDocument' in params)) return void tell('this is no file and no untitled document.');
    const options = { location: vscode.ProgressLocation.Notification, title: `Foretype ${title}`, cancellable: true };
    return vscode.window.withProgress(options, async (progress, token) => {
      let [written, done] = ['', 0];
      const report = seldom(() => {
        const now = progressOf(written, method === 'foretype/docstring');
        progress.report({ message: now.message, increment: now.part - done });
        done = now.part;
      });
      const onText = (text: string) => {
        written += text;
        report.soon();
      };
      try {
        const answer = await this.daemon.stream<Rewritten>(method, params, onText, token);
        answer.notes.forEach((note) => tell(note));
        return answer;
      } catch (error) {
        if (!token.isCancellationRequested) tell((error as Error).message);
        return undefined;
      } finally {
        report.dispose();
      }
    });
  }
}

/** Ten times a second at most: nobody reads faster, and a small model writes thousands of pieces. */
function seldom(work: () => void): { soon(): void; dispose(): void } {
  let timer: NodeJS.Timeout | undefined;
  const run = () => {
    timer = undefined;
    work();
  };
  return { soon: () => { timer ??= setTimeout(run, 100); }, dispose: () => clearTimeout(timer) };
}

/** What is known of how far it is: which of how many where the daemon counts, else how much is written. */
function progressOf(written: string, counted: boolean): { message: string; part: number } {
  const last = written.trimEnd().split('\n').at(-1)!.trim().slice(0, 60);
  const [, number, count] = (counted && /^(\d+)\/(\d+) /.exec(last)) || [];
  if (!number || !count) return { message: `${written.length} characters: ${last}`, part: 0 };
  return { message: last, part: (100 * (Number(number) - 1)) / Number(count) };
}

function tell(text: string): void {
  void vscode.window.showWarningMessage(`Foretype: ${text}`);
}
