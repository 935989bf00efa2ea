// The conversation view. Sends questions to the daemon and streams the answers into a webview, which renders them (see
// webview/). The page's content security policy allows only the extension's own script and style sheet.
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { Answer, Daemon, Excerpt, SavedConversation } from './daemon';
import { targetOf } from './selection';

/** Predefined questions of the protocol. */
export type Intent = 'explain' | 'find-bugs' | 'suggest-tests' | 'name' | 'simplify' | 'commit-message';

/** A message from the webview. Turns are numbered from 0. */
type ViewMessage =
  | { type: 'ready' | 'stop' | 'regenerate' }
  | { type: 'ask'; question: string }
  | { type: 'edit' | 'branch'; turn: number }
  | { type: 'copy' | 'insert'; text: string }
  | { type: 'open'; path: string; line: number };

/** A question in the view. */
interface Turn {
  question: string;
  /** Number of questions that the daemon has saved, up to and including this one. Stopped questions are not saved. */
  saved: number;
}

const VIEW_ID = 'foretype.conversation';

export class Conversation implements vscode.WebviewViewProvider {
  private webview: vscode.Webview | undefined;
  private resolveReady: (() => void) | undefined;
  private readonly ready = new Promise<void>((resolve) => { this.resolveReady = resolve; });
  /** The daemon's number of the conversation, once there is an answer. */
  private conversation: number | undefined;
  /** Workspace folder of the conversation. */
  private folder: string | undefined;
  /** Parameters of the last question. */
  private lastParams: object | undefined;
  /** Tells whether the daemon has saved the last question. */
  private lastSaved = false;
  private turns: Turn[] = [];
  /** Position of the next question: `at` and `branch` of `foretype/ask`. */
  private nextPosition: { at?: number; branch?: boolean } = {};
  /** The request that is being answered. */
  private pending: vscode.CancellationTokenSource | undefined;
  /** Files that the model has read, by the path that answers cite. */
  private citedFiles = new Map<string, vscode.Uri>();
  private editor: vscode.TextEditor | undefined = vscode.window.activeTextEditor;
  private readonly editorListener = vscode.window.onDidChangeActiveTextEditor((editor) => {
    this.editor = editor ?? this.editor;
  });

  constructor(private readonly extension: vscode.Uri, private readonly daemon: Daemon) {}

  static register(extension: vscode.Uri, daemon: Daemon): Conversation & vscode.Disposable {
    const conversation = new Conversation(extension, daemon);
    const options = { webviewOptions: { retainContextWhenHidden: true } };
    const registration = vscode.window.registerWebviewViewProvider(VIEW_ID, conversation, options);
    const disposable = vscode.Disposable.from(registration, conversation.editorListener);
    return Object.assign(conversation, { dispose: () => disposable.dispose() });
  }

  resolveWebviewView({ webview }: vscode.WebviewView): void {
    this.webview = webview;
    const localResourceRoots = ['dist', 'media'].map((name) => vscode.Uri.joinPath(this.extension, name));
    webview.options = { enableScripts: true, localResourceRoots };
    webview.onDidReceiveMessage((message: ViewMessage) => void this.receive(message));
    webview.html = pageHtml(webview, this.extension);
  }

  /** Starts a conversation about the selection or the cursor position. Without an intent, the user types the
   *  question. */
  async start(intent?: Intent): Promise<void> {
    this.clear();
    await this.focusView();
    if (intent) await this.ask({ ...targetOf(this.editor), intent }, headingOf(intent, this.editor));
    else this.post({ type: 'focus' });
  }

  stop(): void {
    this.pending?.cancel();
  }

  /** Answers the last question again, or for the first time if it was stopped. */
  async regenerate(): Promise<void> {
    if (!this.lastParams || this.pending) return;
    this.post({ type: 'regenerate' });
    const isSaved = this.lastSaved && this.conversation !== undefined;
    await this.request(isSaved ? { ...this.followUpParams(), regenerate: true } : this.lastParams);
  }

  /** Lets the user choose a saved conversation and shows it. */
  async choose(): Promise<void> {
    const workspace = folderOf(this.editor);
    const list = (await this.daemon.request<SavedConversation[]>('foretype/conversations', { workspace })) ?? [];
    const items = list.map(({ conversation, title, began }) => (
      { label: title, description: new Date(began * 1000).toLocaleString(), conversation }
    ));
    const placeHolder = items.length > 0 ? 'Choose a conversation' : 'This folder has no saved conversations';
    const item = await vscode.window.showQuickPick(items, { title: 'Foretype', placeHolder });
    if (!item) return;
    const params = { workspace, conversation: item.conversation };
    const saved = await this.daemon.request<SavedConversation>('foretype/conversation', params);
    await this.focusView();
    this.clear();
    if (saved) this.load(saved, workspace);
  }

  private load(saved: SavedConversation, folder: string | undefined): void {
    this.conversation = saved.conversation;
    this.folder = folder;
    this.lastParams = this.followUpParams();
    this.lastSaved = true;
    for (const { question, text, places } of saved.turns ?? []) {
      this.post({ type: 'question', text: question });
      this.turns.push({ question, saved: this.turns.length + 1 });
      this.endAnswer(text, places, []);
    }
  }

  private clear(): void {
    this.stop();
    // The answer of a cancelled request is ignored.
    this.pending = undefined;
    this.conversation = this.lastParams = this.folder = undefined;
    this.lastSaved = false;
    this.turns = [];
    this.nextPosition = {};
    this.post({ type: 'clear' });
  }

  private async focusView(): Promise<void> {
    await vscode.commands.executeCommand(`${VIEW_ID}.focus`);
    await this.ready;
  }

  private async receive(message: ViewMessage): Promise<void> {
    switch (message.type) {
      case 'ready': return this.resolveReady?.();
      case 'stop': return this.stop();
      case 'regenerate': return this.regenerate();
      case 'copy': return vscode.env.clipboard.writeText(message.text);
      case 'insert': return insertText(this.editor, message.text);
      case 'edit': return this.editQuestion(message.turn);
      case 'branch': return this.branch(message.turn);
      case 'open': return openFile(this.citedFiles.get(message.path), message.line);
      case 'ask': {
        const context = this.conversation === undefined ? targetOf(this.editor) : this.followUpParams();
        return this.ask({ ...context, question: message.question }, message.question);
      }
    }
  }

  private followUpParams(): object {
    return { conversation: this.conversation, workspace: this.folder, ...this.nextPosition };
  }

  /** Lets the user edit a question. The daemon keeps the conversation unchanged until the edited question is sent. */
  private editQuestion(turn: number): void {
    const question = this.turns[turn]?.question;
    if (question === undefined || this.pending) return;
    this.truncate(turn, question, 'The edited question will replace this one and everything after it.');
  }

  /** Makes the next question continue a copy of the conversation, after the given turn. */
  private branch(turn: number): void {
    if (this.pending || !this.savedBefore(turn + 1)) return;
    this.nextPosition = { branch: true };
    this.truncate(turn + 1, '', 'The next question starts a copy of this conversation; the original stays unchanged.');
  }

  /** Removes the turns from `turn` on from the view, and puts `question` into the input field. */
  private truncate(turn: number, question: string, note: string): void {
    this.turns.length = Math.min(this.turns.length, turn);
    this.nextPosition = { ...this.nextPosition, at: this.savedBefore(turn) };
    this.lastParams = undefined;
    this.lastSaved = false;
    this.post({ type: 'truncate', turn, question, note });
  }

  /** Number of saved questions before a turn. */
  private savedBefore(turn: number): number {
    return this.turns[turn - 1]?.saved ?? 0;
  }

  /** Shows a question as `heading` and sends it. */
  private async ask(params: object, heading: string): Promise<void> {
    if (this.pending) return;
    if (this.conversation === undefined) this.folder = folderOf(this.editor);
    this.post({ type: 'question', text: heading });
    this.turns.push({ question: heading, saved: this.savedBefore(this.turns.length) });
    this.lastParams = params;
    this.lastSaved = false;
    await this.request(params);
  }

  private async request(params: object): Promise<void> {
    const pending = new vscode.CancellationTokenSource();
    this.pending = pending;
    try {
      const onText = (text: string) => { if (this.pending === pending) this.post({ type: 'text', text }); };
      const answer = await this.daemon.stream<Answer>('foretype/ask', params, onText, pending.token);
      if (this.pending !== pending) return;
      this.conversation = answer.conversation ?? undefined;
      if (!this.lastSaved) this.turns.at(-1)!.saved += 1;
      this.lastSaved = true;
      this.nextPosition = {};
      const remarks = [...answer.notes];
      if (!answer.complete) remarks.unshift('The answer was cut off: raise foretype.ask.maxTokens for longer answers.');
      this.endAnswer(answer.text, answer.places, remarks);
    } catch (error) {
      if (this.pending !== pending) return;
      const isStopped = pending.token.isCancellationRequested;
      const remark = isStopped ? 'Stopped. The conversation does not include this question.' : (error as Error).message;
      this.post({ type: 'end', remarks: [remark], paths: [...this.citedFiles.keys()] });
    } finally {
      pending.dispose();
      if (this.pending === pending) this.pending = undefined;
    }
  }

  /** Ends an answer in the view: its whole text, the excerpts that the model read, and remarks. */
  private endAnswer(text: string, excerpts: Excerpt[], remarks: string[]): void {
    for (const { path, uri } of excerpts) if (uri) this.citedFiles.set(path, vscode.Uri.parse(uri));
    const ranges = excerpts.map(({ path, first, last }) => `${path}:${first}-${last}`).join(', ');
    const allRemarks = ranges ? [`Read: ${ranges}`, ...remarks] : remarks;
    this.post({ type: 'end', text, remarks: allRemarks, paths: [...this.citedFiles.keys()] });
  }

  private post(message: object): void {
    void this.webview?.postMessage(message);
  }
}

function folderOf(editor: vscode.TextEditor | undefined): string | undefined {
  return editor && vscode.workspace.getWorkspaceFolder(editor.document.uri)?.uri.toString();
}

/** Returns the text that the view shows for a predefined question. */
function headingOf(intent: Intent, editor: vscode.TextEditor | undefined): string {
  const name = intent.charAt(0).toUpperCase() + intent.slice(1).replace('-', ' ');
  if (!editor || intent === 'commit-message') return name;
  const { start, end } = editor.selection;
  const lines = start.line === end.line ? `${start.line + 1}` : `${start.line + 1}-${end.line + 1}`;
  return `${name} (${vscode.workspace.asRelativePath(editor.document.uri)}:${lines})`;
}

/** Replaces the selection by the text, as one undo step. */
async function insertText(editor: vscode.TextEditor | undefined, text: string): Promise<void> {
  if (!editor || editor.document.isClosed) {
    void vscode.window.showWarningMessage('Foretype: no file is open: open the file that should receive the code.');
    return;
  }
  const viewColumn = editor.viewColumn ?? vscode.ViewColumn.Active;
  const shown = await vscode.window.showTextDocument(editor.document, { viewColumn });
  await shown.edit((edit) => edit.replace(shown.selection, text));
}

async function openFile(uri: vscode.Uri | undefined, line: number): Promise<void> {
  if (!uri) return;
  const selection = new vscode.Range(line - 1, 0, line - 1, 0);
  await vscode.window.showTextDocument(uri, { selection });
}

function pageHtml(webview: vscode.Webview, extension: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64');
  const uriOf = (...parts: string[]) => webview.asWebviewUri(vscode.Uri.joinPath(extension, ...parts)).toString();
  const policy = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <link rel="stylesheet" href="${uriOf('media', 'conversation.css')}">
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
      <button id="regenerate" type="button" hidden>Another answer</button>
    </div>
  </form>
  <script nonce="${nonce}" src="${uriOf('dist', 'conversation.js')}"></script>
</body>
</html>`;
}
