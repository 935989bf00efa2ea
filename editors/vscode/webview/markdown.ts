// Draws the Markdown that models write: paragraphs, headings, lists, quotes, code, bold, and places as links. Texts become
// text nodes and never markup, so nothing in an answer can be more than text.

/** What a reader can do in what is drawn. */
export interface Actions {
  paths: string[];
  open(path: string, line: number): void;
  copy(text: string): void;
  insert(text: string): void;
}

export function element<K extends keyof HTMLElementTagNameMap>(name: K, text = '', className = ''): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

export function draw(text: string, actions: Actions): DocumentFragment {
  const drawn = document.createDocumentFragment();
  const lines = text.split('\n');
  while (lines.length > 0) drawn.append(block(lines, actions));
  return drawn;
}

const kinds: [RegExp, (line: string) => HTMLElement][] = [
  [/^#{1,6} +/, (line) => element(line.startsWith('# ') ? 'h2' : 'h3')],
  [/^\s*[-*+] +/, () => element('li')],
  [/^\s*\d+[.)] +/, () => element('li', '', 'numbered')],
  [/^> ?/, () => element('blockquote')],
];

/** Takes the lines of one block away and draws them. */
function block(lines: string[], actions: Actions): Node {
  const first = lines.shift()!;
  const fence = /^\s*(```+)\s*([\w+#-]*)/.exec(first);
  if (fence) return code(lines, fence[1]!, actions);
  if (first.trim() === '') return document.createTextNode('');
  for (const [pattern, make] of kinds) {
    const head = pattern.exec(first);
    if (!head) continue;
    const made = make(first);
    const numbered = /^\s*(\d+[.)])/.exec(first)?.[1];
    if (numbered) made.append(`${numbered} `);
    made.append(...inline(first.slice(head[0].length), actions));
    return made;
  }
  const paragraph = element('p');
  let rest = first;
  while (lines[0]?.trim() && !/^\s*```/.test(lines[0]) && !kinds.some(([pattern]) => pattern.test(lines[0]!))) rest += `\n${lines.shift()}`;
  paragraph.append(...inline(rest, actions));
  return paragraph;
}

/** A block of code, complete or still being written, with its buttons. */
function code(lines: string[], fence: string, actions: Actions): HTMLElement {
  const written: string[] = [];
  for (;;) {
    const line = lines.shift();
    if (line === undefined || line.trim() === fence) break;
    written.push(line);
  }
  const text = written.join('\n');
  const box = element('figure');
  const bar = element('div', '', 'bar');
  for (const [name, run] of [['Copy', actions.copy], ['Insert', actions.insert]] as const) {
    const button = element('button', name);
    button.type = 'button';
    button.addEventListener('click', () => run(text));
    bar.append(button);
  }
  const pre = element('pre');
  pre.append(...coloured(text));
  box.append(bar, pre);
  return box;
}

const words = /^(?:abstract|and|as|async|await|break|case|catch|class|const|continue|def|do|elif|else|enum|except|export|extends|false|False|final|finally|fn|for|from|func|function|if|impl|implements|import|in|interface|is|lambda|let|loop|match|mod|mut|new|nil|None|not|null|or|package|pass|private|protected|pub|public|raise|return|self|static|struct|super|switch|this|throw|trait|true|True|try|type|undefined|use|var|void|where|while|with|yield)$/;
const token = /(\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|("""[\s\S]*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`(?:\\.|[^`\\])*`?)|(\b\d[\w.]*)|([A-Za-z_]\w*)(\s*\()?/g;

/** Comments, texts, numbers, keywords and calls, which are alike enough in most languages. */
function coloured(text: string): Node[] {
  const parts: Node[] = [];
  let done = 0;
  const put = (part: string, className: string) => parts.push(className ? element('span', part, className) : document.createTextNode(part));
  for (const found of text.matchAll(token)) {
    const [whole, comment, string, digits, word, call] = found;
    put(text.slice(done, found.index), '');
    const name = word ?? '';
    const kind = comment ? 'comment' : string ? 'string' : digits ? 'number' : words.test(name) ? 'keyword' : call ? 'call' : '';
    put(word === undefined ? whole : name, kind);
    done = found.index + (word === undefined ? whole.length : name.length);
  }
  put(text.slice(done), '');
  return parts;
}

const marks = /(`+)([^`]+)\1|\*\*([^*\n]+)\*\*/g;

function inline(text: string, actions: Actions): Node[] {
  const parts: Node[] = [];
  let done = 0;
  for (const found of text.matchAll(marks)) {
    parts.push(...linked(text.slice(done, found.index), actions));
    const made = element(found[3] === undefined ? 'code' : 'strong');
    made.append(...linked(found[2] ?? found[3] ?? '', actions));
    parts.push(made);
    done = found.index + found[0].length;
  }
  return [...parts, ...linked(text.slice(done), actions)];
}

/** Places that the model has read become links; those that it makes up stay text. */
function linked(text: string, actions: Actions): Node[] {
  const parts: Node[] = [];
  let done = 0;
  for (const found of text.matchAll(/([^\s`'"()[\]<>,]+):(\d+)/g)) {
    const [whole, path, line] = found;
    if (!actions.paths.includes(path!)) continue;
    parts.push(document.createTextNode(text.slice(done, found.index)));
    const link = element('a', whole);
    link.href = '#';
    link.addEventListener('click', (event) => { event.preventDefault(); actions.open(path!, Number(line)); });
    parts.push(link);
    done = found.index + whole.length;
  }
  return [...parts, document.createTextNode(text.slice(done))];
}
