// The page of the conversation view: draws questions and answers, and tells the extension what the user wants. It decides
// nothing and fetches nothing.
import { draw, element, type Actions } from './markdown';

declare function acquireVsCodeApi(): { postMessage(message: object): void };

type Message =
  | { type: 'clear' | 'focus' | 'again' }
  | { type: 'question' | 'text'; text: string }
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

function receive(message: Message): void {
  switch (message.type) {
    case 'focus':
      return question.focus();
    case 'clear':
      answer = undefined;
      turns.replaceChildren();
      return setBusy(false);
    case 'question':
      answer = element('section', '', 'answer');
      turns.append(element('section', message.text, 'question'), answer);
      written = '';
      turns.scrollTop = turns.scrollHeight;
      return setBusy(true);
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
