// Middleware around each inline completion request. It skips requests where suggestions are disabled, keeps the status
// up to date, waits for a model that is being loaded, and passes the answer to acceptance.ts. vscode-languageclient
// does the protocol.
import * as vscode from 'vscode';
import type { Middleware } from 'vscode-languageclient/node';
import type { AcceptanceReporter } from './acceptance';
import type { MissedRequests } from './missed-requests';
import * as settings from './settings';
import { hasModel, type State } from './state';

type Provide = NonNullable<Middleware['provideInlineCompletionItems']>;

export function inlineMiddleware(
  state: State, acceptance: AcceptanceReporter, missedRequests: MissedRequests,
): Provide {
  return async (document, position, context, token, next) => {
    const { Automatic, Invoke } = vscode.InlineCompletionTriggerKind;
    const isRetry = missedRequests.isRetry(document);
    const isExplicit = context.triggerKind === Invoke && !isRetry;
    if (state.values.snoozedUntil || !settings.isEnabled(document.languageId)) return undefined;
    if (!isExplicit && (settings.isManual() || !(await debounce(settings.debounceMs(), token)))) return undefined;
    const { version } = document;
    state.set({ pendingRequests: state.values.pendingRequests + 1 });
    try {
      const triggerKind = isExplicit ? Invoke : Automatic;
      const request = () => next(document, position, { ...context, triggerKind }, token);
      let answer = await request();
      if (itemsOf(answer).length === 0 && !hasModel(state.values)) {
        if (!(await waitForModel(state, token))) return undefined;
        answer = await request();
      }
      if (answer) missedRequests.answered(document, version);
      const items = itemsOf(answer);
      if (!token.isCancellationRequested) acceptance.answered(document, position, items);
      return answer;
    } finally {
      state.set({ pendingRequests: state.values.pendingRequests - 1 });
    }
  };
}

function itemsOf(answer: Awaited<ReturnType<Provide>>): vscode.InlineCompletionItem[] {
  return Array.isArray(answer) ? answer : (answer?.items ?? []);
}

/** Waits for a model, because VS Code would not repeat the request. Returns false if it was cancelled or the
 *  connection ended. */
function waitForModel(state: State, token: vscode.CancellationToken): Promise<boolean> {
  return new Promise((resolve) => {
    const check = () => {
      const cancelled = token.isCancellationRequested || state.values.connection !== 'running';
      if (!cancelled && !hasModel(state.values)) return;
      listeners.dispose();
      resolve(!cancelled);
    };
    const listeners = vscode.Disposable.from(state.onDidChange(check), token.onCancellationRequested(check));
    check();
  });
}

/** Waits; returns false if the user typed in the meantime. */
async function debounce(milliseconds: number, token: vscode.CancellationToken): Promise<boolean> {
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return !token.isCancellationRequested;
}
