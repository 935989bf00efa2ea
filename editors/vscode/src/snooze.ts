// Pauses suggestions in this window for a while.
import * as vscode from 'vscode';
import type { State } from './state';

const durations = [5, 15, 60, 240];

export class Snooze {
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly state: State) {}

  /** Snoozes for `minutes`; if they are not given, lets the user choose. */
  async start(minutes?: number): Promise<void> {
    const duration = minutes ?? (await chooseDuration());
    if (!duration) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(), duration * 60_000);
    this.state.set({ snoozedUntil: new Date(Date.now() + duration * 60_000) });
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

async function chooseDuration(): Promise<number | undefined> {
  const items = durations.map((minutes) => ({ label: durationLabel(minutes), minutes }));
  return (await vscode.window.showQuickPick(items, { title: 'Foretype: snooze for' }))?.minutes;
}

function durationLabel(minutes: number): string {
  if (minutes < 60) return `${minutes} minutes`;
  return minutes === 60 ? '1 hour' : `${minutes / 60} hours`;
}
