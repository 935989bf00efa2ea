// The conversation view: questions go to the daemon, answers stream into the webview, which draws them (webview/). What the
// view may show is decided here: its content policy lets nothing in but our own script and style.
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { Answer, Daemon, Kept } from './daemon';
import { about } from './selection';

export type Intent = 'explain' | 'find-bugs' | 'suggest-tests' | 'name' | 'simplify' | 'commit-message';

/** What the view may ask for. */
type Wish =
  | { type: 'ready' | 'stop' | 'regenerate' }
  | { type: 'ask'; question: string }
  | { type: 'edit' | 'branch'; turn: number }
  | { type: 'copy' | 'insert'; text: string }
  | { type: 'open'; path: string; line: number };

const view = 'foretype.conversation';

export class Conversation implements vscode.WebviewViewProvider {
  private webview: vscode.Webview | undefined;
  private shown: (() => void) | undefined;
  private readonly ready = new Promise<void>((resolve) => { this.shown = resolve; });
  /** By which the daemon knows it. */
  private number: number | undefined;
  /** The folder that keeps it, where there are several. */
  private folder: string | undefined;
  private last: object | undefined;
  /** Whether the daemon remembers the last question. */
  private kept = false;
  /** The questions that are shown, and how many of them the daemon keeps up to there. */
  private turns: { text: string; kept: number }[] = [];
  /** Where the next question goes, in the protocol's words. */
  private next: { at?: number; branch?: boolean } = {};
  private answering: vscode.CancellationTokenSource | undefined;
  /** Files that the model has read, by the path that answers name. */
  private places = new Map<string, vscode.Uri>();
  private editor: vscode.TextEditor | undefined = vscode.window.activeTextEditor;
  private readonly followed = vscode.window.onDidChangeActiveTextEditor((editor) => { this.editor = editor ?? this.editor; });

  constructor(private readonly extension: vscode.Uri, private readonly daemon: Daemon) {}

  static register(extension: vscode.Uri, daemon: Daemon): Conversation & vscode.Disposable {
    const conversation = new Conversation(extension, daemon);
    const options = { webviewOptions: { retainContextWhenHidden: true } };
    const registered = vscode.window.registerWebviewViewProvider(view, conversation, options);
    return Object.assign(conversation, { dispose: () => vscode.Disposable.from(registered, conversation.followed).dispose() });
  }

  resolveWebviewView({ webview }: vscode.WebviewView): void {
    this.webview = webview;
    webview.options = { enableScripts: true, localResourceRoots: ['dist', 'media'].map((name) => vscode.Uri.joinPath(this.extension, name)) };
    webview.onDidReceiveMessage((wish: Wish) => void this.serve(wish));
    webview.html = page(webview, this.extension);
  }

  /** Begins a conversation about the selection, or the place of the cursor. Without a question, asks the user for one. */
  async ask(intent?: Intent): Promise<void> {
    this.clear();
    await vscode.commands.executeCommand(`${view}.focus`);
    await this.ready;
    if (intent) await this.put({ ...about(this.editor), intent }, heading(intent, this.editor));
    else this.post({ type: 'focus' });
  }

  clear(): void {
    this.stop();
    // What it still has to say is for nobody.
    this.answering = undefined;
    this.number = this.last = this.folder = undefined;
    this.kept = false;
    this.turns = [];
    this.next = {};
    this.post({ type: 'clear' });
  }

  stop(): void {
    this.answering?.cancel();
  }

  async regenerate(): Promise<void> {
    if (!this.last || this.answering) return;
    this.post({ type: 'again' });
    const known = this.kept && this.number !== undefined;
    await this.send(known ? { ...this.following(), regenerate: true } : this.last);
  }

  /** Lets the user choose an earlier conversation, and shows it. */
  async choose(): Promise<void> {
    const workspace = folderOf(this.editor);
    const list = (await this.daemon.request<Kept[]>('foretype/conversations', { workspace })) ?? [];
    const items = list.map((kept) => ({ label: kept.title, description: new Date(kept.began * 1000).toLocaleString(), kept }));
    const placeHolder = items.length ? 'Which conversation?' : 'No conversation is kept of this folder.';
    const picked = await vscode.window.showQuickPick(items, { title: 'Foretype', placeHolder });
    if (!picked) return;
    const kept = await this.daemon.request<Kept>('foretype/conversation', { workspace, conversation: picked.kept.conversation });
    await vscode.commands.executeCommand(`${view}.focus`);
    await this.ready;
    this.clear();
    if (!kept) return;
    this.number = kept.conversation;
    this.folder = workspace;
    this.last = this.following();
    this.kept = true;
    for (const turn of kept.turns ?? []) {
      this.post({ type: 'question', text: turn.question });
      this.turns.push({ text: turn.question, kept: this.turns.length + 1 });
      this.end(turn.text, turn, []);
    }
  }

  private async serve(wish: Wish): Promise<void> {
    switch (wish.type) {
      case 'ready': return this.shown?.();
      case 'stop': return this.stop();
      case 'regenerate': return this.regenerate();
      case 'copy': return vscode.env.clipboard.writeText(wish.text);
      case 'insert': return insert(this.editor, wish.text);
      case 'edit': return this.edit(wish.turn);
      case 'branch': return this.branch(wish.turn);
      case 'open': return open(this.places.get(wish.path), wish.line);
      case 'ask': {
        const context = this.number === undefined ? about(this.editor) : this.following();
        return this.put({ ...context, question: wish.question }, wish.question);
      }
    }
  }

  private following(): object {
    return { conversation: this.number, workspace: this.folder, ...this.next };
  }

  /** A question is written anew. Until it is asked, the daemon keeps the conversation as it was. */
  private edit(turn: number): void {
    const text = this.turns[turn]?.text;
    if (text === undefined || this.answering) return;
    this.cut(turn, text, 'Asked again, this question takes the place of itself and of what followed.');
  }

  /** The next question goes into a copy, behind this one. */
  private branch(turn: number): void {
    if (this.answering || !this.keptBefore(turn + 1)) return;
    this.next = { branch: true };
    this.cut(turn + 1, '', 'The next question begins a copy of this conversation, which stays as it is.');
  }

  private cut(from: number, text: string, note: string): void {
    this.turns.length = Math.min(this.turns.length, from);
    this.next = { ...this.next, at: this.keptBefore(from) };
    this.last = undefined;
    this.kept = false;
    this.post({ type: 'cut', from, text, note });
  }

  private keptBefore(turn: number): number {
    return this.turns[turn - 1]?.kept ?? 0;
  }

  private async put(params: object, text: string): Promise<void> {
    if (this.answering) return;
    if (this.number === undefined) this.folder = folderOf(this.editor);
    this.post({ type: 'question', text });
    this.turns.push({ text, kept: this.keptBefore(this.turns.length) });
    this.last = params;
    this.kept = false;
    await this.send(params);
  }

  private async send(params: object): Promise<void> {
    const answering = new vscode.CancellationTokenSource();
    this.answering = answering;
    try {
      const onText = (text: string) => { if (this.answering === answering) this.post({ type: 'text', text }); };
      const answer = await this.daemon.stream<Answer>('foretype/ask', params, onText, answering.token);
      if (this.answering !== answering) return;
      this.number = answer.conversation ?? undefined;
      if (!this.kept) this.turns.at(-1)!.kept += 1;
      this.kept = true;
      this.next = {};
      this.end(answer.text, answer, [...(answer.complete ? [] : ['The answer was cut at ask.maxTokens.']), ...answer.notes]);
    } catch (error) {
      if (this.answering !== answering) return;
      const why = answering.token.isCancellationRequested ? 'Stopped. The model does not remember this question.' : (error as Error).message;
      this.post({ type: 'end', remarks: [why], paths: [...this.places.keys()] });
    } finally {
      answering.dispose();
      if (this.answering === answering) this.answering = undefined;
    }
  }

  private end(text: string, { places }: Pick<Answer, 'places'>, remarks: string[]): void {
    for (const { path, uri } of places) if (uri) this.places.set(path, vscode.Uri.parse(uri));
    const read = places.map(({ path, first, last }) => `${path}:${first}-${last}`).join(', ');
    this.post({ type: 'end', text, remarks: [...(read ? [`Read: ${read}`] : []), ...remarks], paths: [...this.places.keys()] });
  }

  private post(message: object): void {
    void this.webview?.postMessage(message);
  }
}

function folderOf(editor: vscode.TextEditor | undefined): string | undefined {
  return editor && vscode.workspace.getWorkspaceFolder(editor.document.uri)?.uri.toString();
}

function heading(intent: Intent, editor: vscode.TextEditor | undefined): string {
  const name = intent.charAt(0).toUpperCase() + intent.slice(1).replace('-', ' ');
  if (!editor || intent === 'commit-message') return name;
  const { start, end } = editor.selection;
  const lines = start.line === end.line ? `${start.line + 1}` : `${start.line + 1}-${end.line + 1}`;
  return `${name} (${vscode.workspace.asRelativePath(editor.document.uri)}:${lines})`;
}

/** In place of the selection, in one step of undo. */
async function insert(editor: vscode.TextEditor | undefined, text: string): Promise<void> {
  if (!editor || editor.document.isClosed) {
    void vscode.window.showWarningMessage('Foretype: open the file that the code is to be inserted into.');
    return;
  }
  const shown = await vscode.window.showTextDocument(editor.document, { viewColumn: editor.viewColumn ?? vscode.ViewColumn.Active });
  await shown.edit((edit) => edit.replace(shown.selection, text));
}

async function open(uri: vscode.Uri | undefined, line: number): Promise<void> {
  if (!uri) return;
  const selection = new vscode.Range(line - 1, 0, line - 1, 0);
  await vscode.window.showTextDocument(uri, { selection });
}

function page(webview: vscode.Webview, extension: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64');
  const at = (...parts: string[]) => webview.asWebviewUri(vscode.Uri.joinPath(extension, ...parts)).toString();
  const policy = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <link rel="stylesheet" href="${at('media', 'conversation.css')}">
  <title>Foretype</title>
</head>
<body>
  <main id="turns" role="log" aria-live="polite" aria-label="Conversation"></main>
  <form id="form">
    <p id="note" hidden></p>
    <textarea id="question" rows="3" placeholder="Ask about the code at the cursor" aria-label="Question"></textarea>
    <div class="buttons">
      <button id="ask" type="submit">Ask</button>
      <button id="stop" type="button" hidden>Stop</button>
      <button id="again" type="button" hidden>Another answer</button>
    </div>
  </form>
  <script nonce="${nonce}" src="${at('dist', 'conversation.js')}"></script>
</body>
</html>`;
}
