// What happens around each request for a suggestion: nothing is asked where suggestions are off, the status shows that one
// waits, a model that is being loaded is waited for, and what came is remembered for taken.ts. The protocol itself is vscode-languageclient's.
import * as vscode from 'vscode';
import type { Middleware } from 'vscode-languageclient/node';
import type { Missed } from './missed';
import * as settings from './settings';
import { hasModel, type State } from './state';
import type { Taken } from './taken';

type Provide = NonNullable<Middleware['provideInlineCompletionItems']>;

export function inlineMiddleware(state: State, taken: Taken, missed: Missed): Provide {
  return async (document, position, context, token, next) => {
    const { Automatic, Invoke } = vscode.InlineCompletionTriggerKind;
    const madeUp = missed.isThis(document);
    const asked = context.triggerKind === Invoke && !madeUp;
    if (state.now.snoozedUntil || !settings.isOn(document.languageId)) return undefined;
    if (!asked && (settings.isManual() || !(await quiet(settings.debounce(), token)))) return undefined;
    const { version } = document;
    state.set({ asking: state.now.asking + 1 });
    try {
      const ask = () => next(document, position, { ...context, triggerKind: asked ? Invoke : Automatic }, token);
      let answer = await ask();
      if (itemsOf(answer).length === 0 && !hasModel(state.now)) {
        if (!(await modelComes(state, token))) return undefined;
        answer = await ask();
      }
      if (answer) missed.answered(document, version);
      const items = itemsOf(answer);
      if (!token.isCancellationRequested) taken.answered(document, position, items);
      return answer;
    } finally {
      state.set({ asking: state.now.asking - 1 });
    }
  };
}

function itemsOf(answer: Awaited<ReturnType<Provide>>): vscode.InlineCompletionItem[] {
  return Array.isArray(answer) ? answer : (answer?.items ?? []);
}

/** Waits for a model: VS Code would not ask again at this place. False if the user typed on or the connection ended meanwhile. */
function modelComes(state: State, token: vscode.CancellationToken): Promise<boolean> {
  return new Promise((resolve) => {
    const look = () => {
      const over = token.isCancellationRequested || state.now.connection !== 'running';
      if (!over && !hasModel(state.now)) return;
      listening.dispose();
      resolve(!over);
    };
    const listening = vscode.Disposable.from(state.onDidChange(look), token.onCancellationRequested(look));
    look();
  });
}

/** Waits; false if the user typed on meanwhile. */
async function quiet(milliseconds: number, token: vscode.CancellationToken): Promise<boolean> {
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return !token.isCancellationRequested;
}
