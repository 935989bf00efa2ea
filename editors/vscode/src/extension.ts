// Foretype for VS Code: puts the parts together when the window opens and takes them apart when it closes.
import * as vscode from 'vscode';
import { offerActions } from './actions';
import { registerCommands } from './commands';
import { Conversation } from './conversation';
import { Daemon } from './daemon';
import { Previews } from './preview';
import { Rewriter } from './rewrite';
import { Snooze } from './snooze';
import { type Face, State } from './state';
import { statusBar } from './status';
import { warnIfGhostTextIsOff, watchEditors } from './watch';

/** What other extensions, and the tests, may ask. */
export interface Api {
  status(): Face;
}

let daemon: Daemon | undefined;

export function activate(context: vscode.ExtensionContext): Api {
  const log = vscode.window.createOutputChannel('Foretype', { log: true });
  const state = new State();
  const snooze = new Snooze(state);
  daemon = new Daemon(state, log);
  const conversation = Conversation.register(context.extensionUri, daemon);
  const previews = new Previews(context.extensionUri);
  const rewriter = new Rewriter(daemon, previews);
  const id = context.extension.id;
  context.subscriptions.push(
    log, state, snooze, conversation, previews, offerActions(), statusBar(state),
    registerCommands({ id, state, daemon, snooze, conversation, rewriter, previews, log }), watchEditors(state, daemon),
  );
  void daemon.restart();
  void warnIfGhostTextIsOff(context.globalState);
  return { status: () => state.face };
}

export async function deactivate(): Promise<void> {
  await daemon?.dispose();
}
