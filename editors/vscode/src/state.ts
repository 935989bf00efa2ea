// The state of the daemon and this window, and the status derived from it. Uses nothing of VS Code but its events.
import { EventEmitter } from 'vscode';

/** State of the connection to the daemon. */
export type Connection = 'starting' | 'running' | 'missing' | 'lost' | 'stopped';

/** Parameters of the daemon's notification `foretype/status`. */
export interface ServerStatus {
  busy: boolean;
  kind: 'Normal' | 'Warning' | 'Error' | 'Inactive';
  message: string;
}

/** Everything that the status depends on. */
export interface StateValues {
  connection: Connection;
  /** Reason why there is no connection. */
  problem: string;
  server: ServerStatus | undefined;
  /** Number of requests that are waiting for an answer. */
  pendingRequests: number;
  /** The language of the active editor, or `every language`, if suggestions are disabled for it. */
  disabledFor: string | undefined;
  /** Reason why the daemon gives no suggestions in the active file. */
  exclusion: string | undefined;
  snoozedUntil: Date | undefined;
  manual: boolean;
}

export type StatusName =
  | 'starting' | 'loading' | 'ready' | 'busy' | 'snoozed' | 'disabled' | 'excluded' | 'inactive'
  | 'notConnected' | 'error';

/** The status that the user sees. */
export interface Status {
  name: StatusName;
  icon: string;
  text: string;
  isError: boolean;
}

const initialValues: StateValues = {
  connection: 'starting', problem: '', server: undefined, pendingRequests: 0, disabledFor: undefined,
  exclusion: undefined, snoozedUntil: undefined, manual: false,
};

/** The current values, with an event for each change. */
export class State {
  private current = initialValues;
  private readonly changed = new EventEmitter<Status>();
  readonly onDidChange = this.changed.event;

  get values(): Readonly<StateValues> {
    return this.current;
  }

  get status(): Status {
    return statusOf(this.current);
  }

  set(change: Partial<StateValues>): void {
    this.current = { ...this.current, ...change };
    this.changed.fire(this.status);
  }

  dispose(): void {
    this.changed.dispose();
  }
}

/** Tells whether the daemon has tried to load a model: it answers, or it can report why it does not. */
export function hasModel({ server }: StateValues): boolean {
  return server !== undefined && !isLoading(server) && server.kind !== 'Inactive';
}

const isLoading = (server: ServerStatus): boolean => server.busy && server.kind === 'Normal';

/** Derives the status. Errors take precedence, then anything that the user has disabled, then current activity. */
function statusOf(values: StateValues): Status {
  const status = (name: StatusName, icon: string, text: string, isError = false) => ({ name, icon, text, isError });
  const { server } = values;
  switch (values.connection) {
    case 'missing':
    case 'stopped':
      return status('notConnected', 'debug-disconnect', values.problem || 'not connected', true);
    case 'lost':
      return status('notConnected', 'debug-disconnect', values.problem || 'connection lost, reconnecting');
    case 'starting':
      return status('starting', 'loading~spin', 'starting');
  }
  if (server?.kind === 'Error') return status('error', 'warning', server.message, true);
  if (values.snoozedUntil) return status('snoozed', 'debug-pause', `snoozed until ${clock(values.snoozedUntil)}`);
  if (values.disabledFor) return status('disabled', 'circle-slash', `off for ${values.disabledFor}`);
  if (values.exclusion) return status('excluded', 'circle-slash', `off for this file: ${values.exclusion}`);
  if (!server || isLoading(server)) return status('loading', 'loading~spin', 'loading the model');
  if (server.kind === 'Inactive') return status('inactive', 'sparkle', 'model unloaded; it loads again when you type');
  if (values.pendingRequests > 0) return status('busy', 'loading~spin', 'computing a suggestion');
  return status('ready', 'sparkle', values.manual ? `${server.message}, on demand` : server.message);
}

function clock(time: Date): string {
  return time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
