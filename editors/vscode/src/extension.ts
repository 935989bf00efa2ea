// Entry point of the extension: creates its parts when the window opens and disposes of them when it closes.
import * as vscode from 'vscode';
import { registerCodeActions } from './actions';
import { registerCommands } from './commands';
import { Conversation } from './conversation';
import { Daemon } from './daemon';
import { warnIfGhostTextIsOff, watchEditors } from './editor-watcher';
import { Previews } from './preview';
import { Rewriter } from './rewrite';
import { Snooze } from './snooze';
import { State, type Status } from './state';
import { createStatusBarItem } from './status-bar';

/** API for other extensions and for the tests. */
export interface Api {
  status(): Status;
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
  const extensionId = context.extension.id;
  context.subscriptions.push(
    log, state, snooze, conversation, previews, registerCodeActions(), createStatusBarItem(state),
    registerCommands({ extensionId, state, daemon, snooze, conversation, rewriter, previews, log }),
    watchEditors(state, daemon),
  );
  void daemon.restart();
  void warnIfGhostTextIsOff(context.globalState);
  return { status: () => state.status };
}

export async function deactivate(): Promise<void> {
  await daemon?.dispose();
}
