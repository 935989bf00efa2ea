// Hunks: changes of whole lines that can be accepted one by one. Converts the protocol's edits to hunks, and renders a
// text with the accepted hunks applied and the undecided ones shown as a diff. Pure: knows nothing of VS Code.

/** An edit as the daemon sends it; characters are UTF-16 code units. */
export interface TextEdit {
  range: { start: Position; end: Position };
  newText: string;
}

interface Position {
  line: number;
  character: number;
}

/** Replaces the lines from `first` up to, but not including, `last` by `lines`. */
export interface Hunk {
  first: number;
  last: number;
  lines: string[];
}

/** Decisions by hunk: true is accepted, false rejected, undefined undecided. */
export type Decisions = readonly (boolean | undefined)[];

export const linesOf = (text: string): string[] => text.split(/\r\n|\n/);

/** Converts edits, which are in document order, to hunks. */
export function hunksOf(lines: string[], edits: TextEdit[]): Hunk[] {
  const hunks = edits.map((edit) => toHunk(lines, edit));
  return hunks.filter(({ first, last, lines }) => last > first || lines.length > 0);
}

/** Extends an edit to whole lines, then drops lines at both ends that do not change. */
function toHunk(lines: string[], { range: { start, end }, newText }: TextEdit): Hunk {
  const head = (lines[start.line] ?? '').slice(0, start.character);
  const tail = (lines[end.line] ?? '').slice(end.character);
  const before = lines.slice(start.line, end.line + 1);
  const after = linesOf(head + newText + tail);
  while (before.length > 0 && after.length > 0 && before.at(-1) === after.at(-1)) {
    before.pop();
    after.pop();
  }
  let first = start.line;
  while (before.length > 0 && before[0] === after[0]) {
    before.shift();
    after.shift();
    first += 1;
  }
  return { first, last: first + before.length, lines: after };
}

/** Returns the text with the accepted hunks applied. */
export function applyAccepted(lines: string[], hunks: Hunk[], decisions: Decisions): string[] {
  const result: string[] = [];
  let from = 0;
  hunks.forEach((hunk, index) => {
    if (decisions[index] !== true) return;
    result.push(...lines.slice(from, hunk.first), ...hunk.lines);
    from = hunk.last;
  });
  return [...result, ...lines.slice(from)];
}

/** Returns the lines that a hunk replaces in the text to which the accepted hunks have been applied. */
export function shiftedLines(hunks: Hunk[], decisions: Decisions, index: number): { first: number; last: number } {
  const { first, last } = hunks[index]!;
  let shift = 0;
  hunks.slice(0, index).forEach((hunk, at) => {
    if (decisions[at] === true) shift += hunk.lines.length - (hunk.last - hunk.first);
  });
  return { first: first + shift, last: last + shift };
}

/** Rows of an undecided hunk in the text of a preview. Each range excludes its end. */
export interface HunkRows {
  index: number;
  removed: [number, number];
  added: [number, number];
}

/** Renders the text of a preview: decided hunks as decided, undecided ones as removed lines above added lines. */
export function renderPreview(
  lines: string[], hunks: Hunk[], decisions: Decisions,
): { lines: string[]; undecided: HunkRows[] } {
  const text: string[] = [];
  const undecided: HunkRows[] = [];
  let from = 0;
  hunks.forEach((hunk, index) => {
    text.push(...lines.slice(from, hunk.first));
    const removedStart = text.length;
    if (decisions[index] !== true) text.push(...lines.slice(hunk.first, hunk.last));
    const addedStart = text.length;
    if (decisions[index] !== false) text.push(...hunk.lines);
    if (decisions[index] === undefined) {
      undecided.push({ index, removed: [removedStart, addedStart], added: [addedStart, text.length] });
    }
    from = hunk.last;
  });
  return { lines: [...text, ...lines.slice(from)], undecided };
}
