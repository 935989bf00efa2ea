// The connection to the daemon. Starts `foretype lsp`, restarts it with growing delays when it exits, and gives up with
// a message when it keeps exiting.
import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import {
  CloseAction, ErrorAction, LanguageClient, type LanguageClientOptions, ProgressType, State as ClientState,
} from 'vscode-languageclient/node';
import { AcceptanceReporter } from './acceptance';
import { findBinary } from './binary';
import { watchFocus } from './focus';
import { inlineMiddleware } from './inline';
import { MissedRequests } from './missed-requests';
import type { ServerStatus, State } from './state';

/** An excerpt of code that the model read; lines count from 1, and `last` is included. */
export interface Excerpt {
  uri: string | null;
  path: string;
  first: number;
  last: number;
}

/** The result of `foretype/ask`. */
export interface Answer {
  text: string;
  /** False if the answer reached its maximum length. */
  complete: boolean;
  conversation: number | null;
  places: Excerpt[];
  notes: string[];
}

/** A conversation that the daemon has saved. */
export interface SavedConversation {
  conversation: number;
  title: string;
  /** Unix time in seconds. */
  began: number;
  turns?: { question: string; text: string; places: Excerpt[] }[];
}

/** Delays before restarts after consecutive failures. */
const RESTART_DELAYS_MS = [250, 1000, 3000, 8000];
/** A process that ran this long resets the count of failures. */
const STABLE_AFTER_MS = 30_000;

export class Daemon {
  private client: LanguageClient | undefined;
  private timer: NodeJS.Timeout | undefined;
  private failures = 0;
  private startedAt = 0;
  private lastTransition: Promise<void> = Promise.resolve();
  private readonly acceptance = new AcceptanceReporter((method, params) => this.notify(method, params));
  private readonly missedRequests: MissedRequests;
  private readonly focus: vscode.Disposable;

  constructor(private readonly state: State, private readonly log: vscode.LogOutputChannel) {
    this.missedRequests = new MissedRequests(state);
    this.focus = watchFocus(state, (method, params) => this.notify(method, params));
  }

  /** Starts the connection, after closing an existing one. */
  restart(): Promise<void> {
    this.failures = 0;
    return this.enqueue(() => this.open());
  }

  stop(): Promise<void> {
    return this.enqueue(async () => {
      await this.close();
      this.state.set({ connection: 'stopped', problem: 'stopped' });
    });
  }

  /** Sends a request. Returns undefined if it fails or there is no connection. */
  async request<T>(method: string, params: object): Promise<T | undefined> {
    if (this.client?.state !== ClientState.Running) return undefined;
    return this.client.sendRequest<T>(method, params).catch(() => undefined);
  }

  /** Sends a request whose answer the model writes: `onText` receives the text in pieces. */
  async stream<T>(
    method: string, params: object, onText: (text: string) => void, token: vscode.CancellationToken,
  ): Promise<T> {
    const { client } = this;
    if (client?.state !== ClientState.Running) throw new Error(`Foretype is not connected: ${this.state.status.text}`);
    const partialResultToken = randomUUID();
    const progress = new ProgressType<{ text: string }>();
    const listener = client.onProgress(progress, partialResultToken, ({ text }) => onText(text));
    try {
      return await client.sendRequest<T>(method, { ...params, partialResultToken }, token);
    } finally {
      listener.dispose();
    }
  }

  async dispose(): Promise<void> {
    this.acceptance.dispose();
    this.missedRequests.dispose();
    this.focus.dispose();
    await this.stop();
  }

  private notify(method: string, params: object): void {
    if (this.client?.state !== ClientState.Running) return;
    void this.client.sendNotification(method, params).catch(() => {});
  }

  /** Runs starts and stops one after another. */
  private enqueue(transition: () => Promise<void>): Promise<void> {
    this.lastTransition = this.lastTransition.then(transition, transition);
    return this.lastTransition;
  }

  private async open(): Promise<void> {
    await this.close();
    this.state.set({ connection: 'starting', problem: '', server: undefined });
    const binary = await findBinary();
    if ('problem' in binary) {
      this.state.set({ connection: 'missing', problem: binary.problem });
      this.log.error(binary.problem);
      void this.reportMissingBinary(binary.problem);
      return;
    }
    this.log.info(`starting ${binary.path} lsp`);
    const client = this.createClient(binary.path);
    this.client = client;
    this.startedAt = Date.now();
    try {
      await client.start();
      this.state.set({ connection: 'running' });
    } catch (error) {
      this.connectionLost(client, String(error));
    }
  }

  private async close(): Promise<void> {
    clearTimeout(this.timer);
    const client = this.client;
    this.client = undefined;
    if (!client) return;
    const stopped = client.needsStop() ? client.stop(3000) : Promise.resolve();
    await stopped.catch((error) => this.log.warn(`shutting down failed: ${error}`));
    await client.dispose().catch(() => {});
  }

  private createClient(program: string): LanguageClient {
    const options: LanguageClientOptions = {
      documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }],
      outputChannel: this.log,
      // Sent with the initialization, so that the daemon loads the configured model first. It requests later changes
      // itself.
      initializationOptions: () => JSON.parse(JSON.stringify(vscode.workspace.getConfiguration('foretype'))),
      middleware: {
        provideInlineCompletionItems: inlineMiddleware(this.state, this.acceptance, this.missedRequests),
        handleRegisterCapability: async (params, next) => {
          await next(params, new vscode.CancellationTokenSource().token);
          const methods = params.registrations.map(({ method }) => method);
          if (methods.includes('textDocument/inlineCompletion')) this.missedRequests.registered();
        },
      },
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          this.connectionLost(client, 'the connection was closed');
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

  /** Schedules a restart. One exit may be reported twice, by a failed start and by the closed connection; the first
   *  counts. */
  private connectionLost(client: LanguageClient, reason: string): void {
    if (client !== this.client) return;
    this.client = undefined;
    setImmediate(() => void client.dispose().catch(() => {}));
    if (Date.now() - this.startedAt > STABLE_AFTER_MS) this.failures = 0;
    const delay = RESTART_DELAYS_MS[this.failures];
    this.failures += 1;
    this.log.warn(`foretype lsp exited (${reason}), failures in a row: ${this.failures}`);
    if (delay === undefined) {
      this.state.set({ connection: 'stopped', problem: 'foretype keeps exiting', server: undefined });
      void this.reportCrashes();
      return;
    }
    this.state.set({ connection: 'lost', problem: '', server: undefined });
    this.timer = setTimeout(() => void this.enqueue(() => this.open()), delay);
  }

  private async reportCrashes(): Promise<void> {
    const text = `Foretype exited ${this.failures} times in a row: see the log for the reason.`;
    const commands = { 'Show Log': 'foretype.showLog', 'Try Again': 'foretype.restart' };
    await showMessage(vscode.window.showErrorMessage, text, commands);
  }

  private async reportMissingBinary(problem: string): Promise<void> {
    const commands = {
      'How to Install': 'foretype.openWalkthrough',
      'Choose the Program…': 'foretype.choosePath',
      'Try Again': 'foretype.restart',
    };
    await showMessage(vscode.window.showWarningMessage, `Foretype: ${problem}.`, commands);
  }
}

/** Shows a message with buttons that run commands. */
async function showMessage(
  show: (text: string, ...buttons: string[]) => Thenable<string | undefined>,
  text: string,
  commands: Record<string, string>,
): Promise<void> {
  const button = await show(text, ...Object.keys(commands));
  const command = button === undefined ? undefined : commands[button];
  if (command) await vscode.commands.executeCommand(command);
}
