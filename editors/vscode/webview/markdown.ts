// Renders the Markdown that models write: paragraphs, headings, lists, quotes, code, bold text, and links to cited
// lines. All text ends up in text nodes, so nothing in an answer can become markup.

/** The actions that rendered text offers. */
export interface Actions {
  /** Paths that may be cited. */
  paths: string[];
  open(path: string, line: number): void;
  copy(text: string): void;
  insert(text: string): void;
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K, text = '', className = '',
): HTMLElementTagNameMap[K] {
  const created = document.createElement(tag);
  created.textContent = text;
  created.className = className;
  return created;
}

export function renderMarkdown(text: string, actions: Actions): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const lines = text.split('\n');
  while (lines.length > 0) fragment.append(takeBlock(lines, actions));
  return fragment;
}

/** Blocks of one line, by the marker at its start. */
const LINE_BLOCKS: [RegExp, (line: string) => HTMLElement][] = [
  [/^#{1,6} +/, (line) => element(line.startsWith('# ') ? 'h2' : 'h3')],
  [/^\s*[-*+] +/, () => element('li')],
  [/^\s*\d+[.)] +/, () => element('li', '', 'numbered')],
  [/^> ?/, () => element('blockquote')],
];

/** Removes the lines of the first block from `lines` and renders them. */
function takeBlock(lines: string[], actions: Actions): Node {
  const first = lines.shift()!;
  const fence = /^\s*(```+)\s*([\w+#-]*)/.exec(first);
  if (fence) return takeCode(lines, fence[1]!, actions);
  if (first.trim() === '') return document.createTextNode('');
  for (const [pattern, create] of LINE_BLOCKS) {
    const marker = pattern.exec(first);
    if (!marker) continue;
    const block = create(first);
    const number = /^\s*(\d+[.)])/.exec(first)?.[1];
    if (number) block.append(`${number} `);
    block.append(...renderInline(first.slice(marker[0].length), actions));
    return block;
  }
  const paragraph = element('p');
  let text = first;
  while (lines[0] !== undefined && continuesParagraph(lines[0])) text += `\n${lines.shift()}`;
  paragraph.append(...renderInline(text, actions));
  return paragraph;
}

function continuesParagraph(line: string): boolean {
  return line.trim() !== '' && !/^\s*```/.test(line) && !LINE_BLOCKS.some(([pattern]) => pattern.test(line));
}

/** Removes the lines of a code block, whose closing fence may not have arrived yet, and renders them with buttons. */
function takeCode(lines: string[], fence: string, actions: Actions): HTMLElement {
  const code: string[] = [];
  for (;;) {
    const line = lines.shift();
    if (line === undefined || line.trim() === fence) break;
    code.push(line);
  }
  const text = code.join('\n');
  const figure = element('figure');
  const bar = element('div', '', 'bar');
  for (const [label, run] of [['Copy', actions.copy], ['Insert', actions.insert]] as const) {
    const button = element('button', label);
    button.type = 'button';
    button.addEventListener('click', () => run(text));
    bar.append(button);
  }
  const pre = element('pre');
  pre.append(...highlight(text));
  figure.append(bar, pre);
  return figure;
}

/** Keywords of common languages. */
const KEYWORDS = new Set((
    'abstract and as async await break case catch class const continue def do elif else enum except export extends '
  + 'false False final finally fn for from func function if impl implements import in interface is lambda let loop '
  + 'match mod mut new nil None not null or package pass private protected pub public raise return self static struct '
  + 'super switch this throw trait true True try type undefined use var void where while with yield'
).split(' '));

/** Groups: comment, string, number, identifier, and the parenthesis of a call. */
const TOKEN = new RegExp([
  /(\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?(?:\*\/|$))/,
  /("""[\s\S]*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`(?:\\.|[^`\\])*`?)/,
  /(\b\d[\w.]*)/,
  /([A-Za-z_]\w*)(\s*\()?/,
].map(({ source }) => source).join('|'), 'g');

/** Highlights comments, strings, numbers, keywords and calls, which look alike in most languages. */
function highlight(text: string): Node[] {
  const nodes: Node[] = [];
  let end = 0;
  const append = (part: string, className: string) => {
    nodes.push(className ? element('span', part, className) : document.createTextNode(part));
  };
  for (const match of text.matchAll(TOKEN)) {
    const [whole, comment, string, number, identifier, call] = match;
    append(text.slice(end, match.index), '');
    // The parenthesis of a call is not part of its token.
    const token = identifier ?? whole;
    if (comment) append(token, 'comment');
    else if (string) append(token, 'string');
    else if (number) append(token, 'number');
    else if (KEYWORDS.has(token)) append(token, 'keyword');
    else append(token, call ? 'call' : '');
    end = match.index + token.length;
  }
  append(text.slice(end), '');
  return nodes;
}

/** Inline code or bold text. */
const INLINE_MARKUP = /(`+)([^`]+)\1|\*\*([^*\n]+)\*\*/g;

function renderInline(text: string, actions: Actions): Node[] {
  const nodes: Node[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE_MARKUP)) {
    const [whole, , code, bold] = match;
    nodes.push(...linkCitations(text.slice(end, match.index), actions));
    const marked = element(bold === undefined ? 'code' : 'strong');
    marked.append(...linkCitations(code ?? bold ?? '', actions));
    nodes.push(marked);
    end = match.index + whole.length;
  }
  return [...nodes, ...linkCitations(text.slice(end), actions)];
}

/** A citation, for example `shop.py:12`. */
const CITATION = /([^\s`'"()[\]<>,]+):(\d+)/g;

/** Turns citations of code that the model has read into links. Others, which it may have made up, stay text. */
function linkCitations(text: string, actions: Actions): Node[] {
  const nodes: Node[] = [];
  let end = 0;
  for (const match of text.matchAll(CITATION)) {
    const [whole, path, line] = match;
    if (!actions.paths.includes(path!)) continue;
    nodes.push(document.createTextNode(text.slice(end, match.index)));
    const link = element('a', whole);
    link.href = '#';
    link.addEventListener('click', (event) => { event.preventDefault(); actions.open(path!, Number(line)); });
    nodes.push(link);
    end = match.index + whole.length;
  }
  return [...nodes, document.createTextNode(text.slice(end))];
}
