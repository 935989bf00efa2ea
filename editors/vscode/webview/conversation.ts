// The page of the conversation view: draws questions and answers, and tells the extension what the user wants. It decides
// nothing and fetches nothing.
import { draw, element, type Actions } from './markdown';

declare function acquireVsCodeApi(): { postMessage(message: object): void };

type Message =
  | { type: 'clear' | 'focus' | 'again' }
  | { type: 'question' | 'text'; text: string }
  | { type: 'cut'; from: number; text: string; note: string }
  | { type: 'end'; text?: string; remarks: string[]; paths: string[] };

const { postMessage } = acquireVsCodeApi();
const by = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const turns = by('turns');
const question = by<HTMLTextAreaElement>('question');
const actions: Actions = {
  paths: [],
  open: (path, line) => postMessage({ type: 'open', path, line }),
  copy: (text) => postMessage({ type: 'copy', text }),
  insert: (text) => postMessage({ type: 'insert', text }),
};
let answer: HTMLElement | undefined;
let written = '';
let busy = false;

function setBusy(now: boolean): void {
  busy = now;
  by('ask').hidden = now;
  by('stop').hidden = !now;
  by('again').hidden = now || !answer;
}

function redraw(remarks: string[] = []): void {
  const atEnd = turns.scrollTop + turns.clientHeight >= turns.scrollHeight - 30;
  answer?.replaceChildren(draw(written, actions));
  for (const remark of remarks) {
    const drawn = element('div', '', 'remark');
    drawn.append(draw(remark, actions));
    answer?.append(drawn);
  }
  if (atEnd) turns.scrollTop = turns.scrollHeight;
}

/** A question with what can be done with it. */
function asked(text: string): HTMLElement {
  const section = element('section', text, 'question');
  const tools = element('div', '', 'tools');
  for (const [name, type, label] of [['Edit', 'edit', 'Edit this question'], ['Branch', 'branch', 'Go on from here in a copy']] as const) {
    const button = element('button', name);
    button.type = 'button';
    button.title = label;
    button.addEventListener('click', () => { if (!busy) postMessage({ type, turn: numberOf(section) }); });
    tools.append(button);
  }
  section.append(tools);
  return section;
}

function numberOf(section: HTMLElement): number {
  return [...turns.querySelectorAll('.question')].indexOf(section);
}

/** Takes away a question and all that follows. */
function cut(from: number): void {
  const first = turns.querySelectorAll('.question')[from];
  while (first && turns.lastChild !== first) turns.lastChild!.remove();
  first?.remove();
  answer = [...turns.querySelectorAll<HTMLElement>('.answer')].at(-1);
}

function receive(message: Message): void {
  switch (message.type) {
    case 'focus':
      return question.focus();
    case 'clear':
      answer = undefined;
      turns.replaceChildren();
      by('note').hidden = true;
      return setBusy(false);
    case 'question':
      answer = element('section', '', 'answer');
      turns.append(asked(message.text), answer);
      by('note').hidden = true;
      written = '';
      turns.scrollTop = turns.scrollHeight;
      return setBusy(true);
    case 'cut':
      cut(message.from);
      question.value = message.text;
      by('note').textContent = message.note;
      by('note').hidden = false;
      setBusy(false);
      // What is there to be answered anew is being written.
      by('again').hidden = true;
      return question.focus();
    case 'again':
      written = '';
      redraw();
      return setBusy(true);
    case 'text':
      written += message.text;
      return redraw();
    case 'end':
      written = message.text ?? written;
      actions.paths = message.paths;
      redraw(message.remarks);
      return setBusy(false);
  }
}

function ask(): void {
  const text = question.value.trim();
  if (!text || busy) return;
  question.value = '';
  postMessage({ type: 'ask', question: text });
}

by('form').addEventListener('submit', (event) => { event.preventDefault(); ask(); });
by('stop').addEventListener('click', () => postMessage({ type: 'stop' }));
by('again').addEventListener('click', () => postMessage({ type: 'regenerate' }));
question.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); ask(); }
});
document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && busy) postMessage({ type: 'stop' }); });
window.addEventListener('message', (event: MessageEvent<Message>) => receive(event.data));
postMessage({ type: 'ready' });
