// The connection to the daemon: started, watched, started again when it ends, with growing pauses, and given up with a word
// to the user when that does not help.
import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import { CloseAction, ErrorAction, LanguageClient, type LanguageClientOptions, ProgressType, State as ClientState } from 'vscode-languageclient/node';
import { findBinary } from './binary';
import { watchFocus } from './focus';
import { inlineMiddleware } from './inline';
import { Missed } from './missed';
import type { ServerStatus, State } from './state';
import { Taken } from './taken';

/** A piece of code that the model read. */
export interface Place {
  uri: string | null;
  path: string;
  first: number;
  last: number;
}

/** The answer to a question. */
export interface Answer {
  text: string;
  complete: boolean;
  conversation: number | null;
  places: Place[];
  notes: string[];
}

/** A conversation that the daemon keeps. */
export interface Kept {
  conversation: number;
  title: string;
  began: number;
  turns?: { question: string; text: string; places: Place[] }[];
}

const pauses = [250, 1000, 3000, 8000];
/** A daemon that has run this long in milliseconds was well. */
const wellAfter = 30_000;

export class Daemon {
  private client: LanguageClient | undefined;
  private timer: NodeJS.Timeout | undefined;
  private failures = 0;
  private startedAt = 0;
  private changes: Promise<void> = Promise.resolve();
  private readonly taken = new Taken((method, params) => this.notify(method, params));
  private readonly missed: Missed;
  private readonly focus: vscode.Disposable;

  constructor(private readonly state: State, private readonly log: vscode.LogOutputChannel) {
    this.missed = new Missed(state);
    this.focus = watchFocus(state, (method, params) => this.notify(method, params));
  }

  /** Starts, or ends and starts afresh. Calls are served in order. */
  restart(): Promise<void> {
    this.failures = 0;
    return this.queue(() => this.open());
  }

  stop(): Promise<void> {
    return this.queue(async () => {
      await this.close();
      this.state.set({ connection: 'stopped', problem: 'stopped' });
    });
  }

  /** A request to the daemon; `undefined` if it is not there. */
  async request<T>(method: string, params: object): Promise<T | undefined> {
    if (this.client?.state !== ClientState.Running) return undefined;
    return this.client.sendRequest<T>(method, params).catch(() => undefined);
  }

  /** A request whose answer the model writes: it comes in pieces, and whole at the end. */
  async stream<T>(method: string, params: object, onText: (text: string) => void, token: vscode.CancellationToken): Promise<T> {
    const { client } = this;
    if (client?.state !== ClientState.Running) throw new Error(`Foretype is not there: ${this.state.face.text}`);
    const partialResultToken = randomUUID();
    const pieces = client.onProgress(new ProgressType<{ text: string }>(), partialResultToken, ({ text }) => onText(text));
    try {
      return await client.sendRequest<T>(method, { ...params, partialResultToken }, token);
    } finally {
      pieces.dispose();
    }
  }

  async dispose(): Promise<void> {
    this.taken.dispose();
    this.missed.dispose();
    this.focus.dispose();
    await this.stop();
  }

  private notify(method: string, params: object): void {
    if (this.client?.state === ClientState.Running) void this.client.sendNotification(method, params).catch(() => {});
  }

  private queue(work: () => Promise<void>): Promise<void> {
    this.changes = this.changes.then(work, work);
    return this.changes;
  }

  private async open(): Promise<void> {
    await this.close();
    this.state.set({ connection: 'starting', problem: '', server: undefined });
    const found = await findBinary();
    if ('problem' in found) {
      this.state.set({ connection: 'missing', problem: found.problem });
      this.log.error(found.problem);
      void this.tellHowToGetIt(found.problem);
      return;
    }
    this.log.info(`starting ${found.path} lsp`);
    const client = this.newClient(found.path);
    this.client = client;
    this.startedAt = Date.now();
    try {
      await client.start();
      this.state.set({ connection: 'running' });
    } catch (error) {
      this.ended(client, String(error));
    }
  }

  private async close(): Promise<void> {
    clearTimeout(this.timer);
    const client = this.client;
    this.client = undefined;
    if (!client) return;
    const stopped = client.needsStop() ? client.stop(3000) : Promise.resolve();
    await stopped.catch((error) => this.log.warn(`the daemon did not end in order: ${error}`));
    await client.dispose().catch(() => {});
  }

  private newClient(program: string): LanguageClient {
    const options: LanguageClientOptions = {
      documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }],
      outputChannel: this.log,
      // Told at once, so that the daemon does not begin with another model. Later changes it asks for.
      initializationOptions: () => JSON.parse(JSON.stringify(vscode.workspace.getConfiguration('foretype'))),
      middleware: {
        provideInlineCompletionItems: inlineMiddleware(this.state, this.taken, this.missed),
        handleRegisterCapability: async (params, next) => {
          await next(params, new vscode.CancellationTokenSource().token);
          if (params.registrations.some(({ method }) => method === 'textDocument/inlineCompletion')) this.missed.offered();
        },
      },
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          this.ended(client, 'the connection closed');
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
    };
    const client = new LanguageClient('foretype', 'Foretype', { command: program, args: ['lsp'] }, options);
    client.onNotification('foretype/status', (server: ServerStatus) => {
      if (client === this.client) this.state.set({ server });
    });
    return client;
  }

  /** The daemon ended, or did not start. Both ways of learning it may come; the first counts. */
  private ended(client: LanguageClient, why: string): void {
    if (client !== this.client) return;
    this.client = undefined;
    setImmediate(() => void client.dispose().catch(() => {}));
    if (Date.now() - this.startedAt > wellAfter) this.failures = 0;
    const pause = pauses[this.failures];
    this.failures += 1;
    this.log.warn(`the daemon ended (${why}), ${this.failures} times in a row`);
    if (pause === undefined) {
      this.state.set({ connection: 'stopped', problem: 'the daemon ends again and again', server: undefined });
      void this.tellOfCrashes();
      return;
    }
    this.state.set({ connection: 'lost', problem: '', server: undefined });
    this.timer = setTimeout(() => void this.queue(() => this.open()), pause);
  }

  private async tellOfCrashes(): Promise<void> {
    const text = `Foretype's daemon ended ${this.failures} times in a row. The log may say why.`;
    await offer(vscode.window.showErrorMessage, text, { 'Show Log': 'foretype.showLog', 'Try Again': 'foretype.restart' });
  }

  private async tellHowToGetIt(problem: string): Promise<void> {
    const actions = { 'How to Get It': 'foretype.openWalkthrough', 'Choose…': 'foretype.choosePath', 'Look Again': 'foretype.restart' };
    await offer(vscode.window.showWarningMessage, `Foretype: ${problem}.`, actions);
  }
}

/** Shows a message with buttons that run commands. */
async function offer(
  show: (text: string, ...buttons: string[]) => Thenable<string | undefined>, text: string, actions: Record<string, string>,
): Promise<void> {
  const picked = await show(text, ...Object.keys(actions));
  const command = picked === undefined ? undefined : actions[picked];
  if (command) await vscode.commands.executeCommand(command);
}
