// What happens around each request for a suggestion: nothing is asked where suggestions are off, the status shows that one
// waits, and what came is remembered for taken.ts. The protocol itself is vscode-languageclient's.
import * as vscode from 'vscode';
import type { Middleware } from 'vscode-languageclient/node';
import type { Missed } from './missed';
import * as settings from './settings';
import type { State } from './state';
import type { Taken } from './taken';

type Provide = NonNullable<Middleware['provideInlineCompletionItems']>;

export function inlineMiddleware(state: State, taken: Taken, missed: Missed): Provide {
  return async (document, position, context, token, next) => {
    const { Automatic, Invoke } = vscode.InlineCompletionTriggerKind;
    const asked = context.triggerKind === Invoke && !missed.isThis();
    if (state.now.snoozedUntil || !settings.isOn(document.languageId)) return undefined;
    if (!asked && (settings.isManual() || !(await quiet(settings.debounce(), token)))) return undefined;
    const { version } = document;
    state.set({ asking: state.now.asking + 1 });
    try {
      const answer = await next(document, position, { ...context, triggerKind: asked ? Invoke : Automatic }, token);
      if (answer) missed.answered(document, version);
      const items = Array.isArray(answer) ? answer : (answer?.items ?? []);
      if (!token.isCancellationRequested) taken.answered(document, position, items);
      return answer;
    } finally {
      state.set({ asking: state.now.asking - 1 });
    }
  };
}

/** Waits; false if the user typed on meanwhile. */
async function quiet(milliseconds: number, token: vscode.CancellationToken): Promise<boolean> {
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return !token.isCancellationRequested;
}
