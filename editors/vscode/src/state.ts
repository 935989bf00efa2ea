// What is known about the daemon and this window, and which one thing of it the user is told. No VS Code here but events.
import { EventEmitter } from 'vscode';

/** Where the daemon's connection stands. */
export type Connection = 'starting' | 'running' | 'missing' | 'lost' | 'stopped';

/** What the daemon says of itself: the notification `foretype/status`. */
export interface ServerStatus {
  busy: boolean;
  kind: 'Normal' | 'Warning' | 'Error' | 'Inactive';
  message: string;
}

/** All that the status depends on. */
export interface Facts {
  connection: Connection;
  /** Why there is no connection. */
  problem: string;
  server: ServerStatus | undefined;
  /** Requests that wait for an answer. */
  asking: number;
  /** Suggestions are off everywhere or for the language of the active editor: which. */
  off: string | undefined;
  /** Why the daemon gives no suggestions in the active file. */
  refusal: string | undefined;
  snoozedUntil: Date | undefined;
  manual: boolean;
}

export type Name =
  | 'starting' | 'loading' | 'ready' | 'busy' | 'snoozed' | 'disabled' | 'excluded' | 'notConnected' | 'error' | 'inactive';

/** What is shown: one icon, a few words, and whether it is a fault. */
export interface Face {
  name: Name;
  icon: string;
  text: string;
  fault: boolean;
}

const begin: Facts = {
  connection: 'starting', problem: '', server: undefined, asking: 0, off: undefined, refusal: undefined,
  snoozedUntil: undefined, manual: false,
};

/** The facts, and an event when one of them changed. */
export class State {
  private facts = begin;
  private readonly changed = new EventEmitter<Face>();
  readonly onDidChange = this.changed.event;

  get now(): Readonly<Facts> {
    return this.facts;
  }

  get face(): Face {
    return face(this.facts);
  }

  set(change: Partial<Facts>): void {
    this.facts = { ...this.facts, ...change };
    this.changed.fire(this.face);
  }

  dispose(): void {
    this.changed.dispose();
  }
}

/** Whether the daemon has a model that answers, or could say why not. */
export function hasModel({ server }: Facts): boolean {
  return server !== undefined && !isLoading(server) && server.kind !== 'Inactive';
}

const isLoading = (server: ServerStatus): boolean => server.busy && server.kind === 'Normal';

/** The most important of the facts. Faults come first, then what the user has switched off, then what is going on. */
export function face(facts: Facts): Face {
  const say = (name: Name, icon: string, text: string, fault = false): Face => ({ name, icon, text, fault });
  const { server } = facts;
  switch (facts.connection) {
    case 'missing':
    case 'stopped':
      return say('notConnected', 'debug-disconnect', facts.problem || 'not connected', true);
    case 'lost':
      return say('notConnected', 'debug-disconnect', facts.problem || 'connection lost, starting again');
    case 'starting':
      return say('starting', 'loading~spin', 'starting');
  }
  if (server?.kind === 'Error') return say('error', 'warning', server.message, true);
  if (facts.snoozedUntil) return say('snoozed', 'debug-pause', `snoozed until ${clock(facts.snoozedUntil)}`);
  if (facts.off) return say('disabled', 'circle-slash', `off for ${facts.off}`);
  if (facts.refusal) return say('excluded', 'circle-slash', `off here: ${facts.refusal}`);
  if (!server || isLoading(server)) return say('loading', 'loading~spin', 'loading the model');
  if (server.kind === 'Inactive') return say('inactive', 'sparkle', 'the model is loaded when you type');
  if (facts.asking > 0) return say('busy', 'loading~spin', 'thinking');
  return say('ready', 'sparkle', facts.manual ? `${server.message}, on demand` : server.message);
}

function clock(time: Date): string {
  return time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
