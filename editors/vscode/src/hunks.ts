// Changes of a text that can be made one by one: from the protocol's ranges to whole lines, and from there to texts with some
// of them made, or with all that wait shown. Pure: knows nothing of VS Code.

/** A change as the daemon sends it; characters are UTF-16 code units. */
export interface Change {
  range: { start: Place; end: Place };
  newText: string;
}

interface Place {
  line: number;
  character: number;
}

/** A change of whole lines: those from `first` on and before `last` go, `lines` come. */
export interface Hunk {
  first: number;
  last: number;
  lines: string[];
}

/** By number: taken, turned down, or neither yet. */
export type Verdicts = readonly (boolean | undefined)[];

export const linesOf = (text: string): string[] => text.split(/\r\n|\n/);

/** In the order of the text. */
export function hunksOf(lines: string[], changes: Change[]): Hunk[] {
  return changes.map((change) => whole(lines, change)).filter(({ first, last, lines }) => last > first || lines.length > 0);
}

function whole(lines: string[], { range: { start, end }, newText }: Change): Hunk {
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

/** The text with those made that were taken. */
export function applied(lines: string[], hunks: Hunk[], verdicts: Verdicts): string[] {
  const made: string[] = [];
  let from = 0;
  hunks.forEach((hunk, number) => {
    if (verdicts[number] !== true) return;
    made.push(...lines.slice(from, hunk.first), ...hunk.lines);
    from = hunk.last;
  });
  return [...made, ...lines.slice(from)];
}

/** Where a hunk's lines are once those before it that were taken are made. */
export function placed(hunks: Hunk[], verdicts: Verdicts, number: number): { first: number; last: number } {
  const { first, last } = hunks[number]!;
  const moved = hunks.slice(0, number).reduce((sum, it, at) => (verdicts[at] === true ? sum + it.lines.length - (it.last - it.first) : sum), 0);
  return { first: first + moved, last: last + moved };
}

/** A hunk in a text that shows lines that go above those that come. Rows are those of that text. */
export interface Shown {
  number: number;
  removed: [number, number];
  added: [number, number];
}

/** The text with what is decided made, and both sides of what is not. */
export function unified(lines: string[], hunks: Hunk[], verdicts: Verdicts): { lines: string[]; shown: Shown[] } {
  const all: string[] = [];
  const shown: Shown[] = [];
  let from = 0;
  hunks.forEach((hunk, number) => {
    all.push(...lines.slice(from, hunk.first));
    const old = lines.slice(hunk.first, hunk.last);
    const begin = all.length;
    if (verdicts[number] !== true) all.push(...old);
    const middle = all.length;
    if (verdicts[number] !== false) all.push(...hunk.lines);
    if (verdicts[number] === undefined) shown.push({ number, removed: [begin, middle], added: [middle, all.length] });
    from = hunk.last;
  });
  return { lines: [...all, ...lines.slice(from)], shown };
}
