// Quiet for a while, in this window.
import * as vscode from 'vscode';
import type { State } from './state';

const choices = [5, 15, 60, 240];

export class Snooze {
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly state: State) {}

  /** Asks for how long, unless `minutes` says. */
  async begin(minutes?: number): Promise<void> {
    const wanted = minutes ?? (await ask());
    if (!wanted) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(), wanted * 60_000);
    this.state.set({ snoozedUntil: new Date(Date.now() + wanted * 60_000) });
    await vscode.commands.executeCommand('editor.action.inlineSuggest.hide');
  }

  end(): void {
    clearTimeout(this.timer);
    this.state.set({ snoozedUntil: undefined });
  }

  dispose(): void {
    clearTimeout(this.timer);
  }
}

async function ask(): Promise<number | undefined> {
  const label = (minutes: number) => (minutes < 60 ? `${minutes} minutes` : minutes === 60 ? 'an hour' : `${minutes / 60} hours`);
  const items = choices.map((minutes) => ({ label: label(minutes), minutes }));
  return (await vscode.window.showQuickPick(items, { title: 'Foretype: no suggestions for' }))?.minutes;
}
