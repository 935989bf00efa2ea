// The page of the conversation view: renders questions and answers, and sends the user's actions to the extension. It
// has no logic of its own and loads nothing.
import { type Actions, element, renderMarkdown } from './markdown';

declare function acquireVsCodeApi(): { postMessage(message: object): void };

/** A message from the extension. Turns are numbered from 0. */
type Message =
  | { type: 'clear' | 'focus' | 'regenerate' }
  | { type: 'question' | 'text'; text: string }
  | { type: 'truncate'; turn: number; question: string; note: string }
  | { type: 'end'; text?: string; remarks: string[]; paths: string[] };

const { postMessage } = acquireVsCodeApi();
const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const turns = byId('turns');
const questionInput = byId<HTMLTextAreaElement>('question');
const actions: Actions = {
  paths: [],
  open: (path, line) => postMessage({ type: 'open', path, line }),
  copy: (text) => postMessage({ type: 'copy', text }),
  insert: (text) => postMessage({ type: 'insert', text }),
};
/** The last answer and its text so far. */
let answer: HTMLElement | undefined;
let answerText = '';
let isBusy = false;

/** Distance in pixels from the end within which the view follows new text. */
const FOLLOW_DISTANCE = 30;

function setBusy(busy: boolean): void {
  isBusy = busy;
  byId('ask').hidden = busy;
  byId('stop').hidden = !busy;
  byId('regenerate').hidden = busy || !answer;
}

function renderAnswer(remarks: string[] = []): void {
  const atEnd = turns.scrollTop + turns.clientHeight >= turns.scrollHeight - FOLLOW_DISTANCE;
  answer?.replaceChildren(renderMarkdown(answerText, actions));
  for (const remark of remarks) {
    const rendered = element('div', '', 'remark');
    rendered.append(renderMarkdown(remark, actions));
    answer?.append(rendered);
  }
  if (atEnd) turns.scrollTop = turns.scrollHeight;
}

const QUESTION_BUTTONS = [
  { label: 'Edit', type: 'edit', title: 'Edit this question' },
  { label: 'Branch', type: 'branch', title: 'Continue from here in a copy' },
];

/** Creates a question with its buttons. */
function questionElement(text: string): HTMLElement {
  const section = element('section', text, 'question');
  const tools = element('div', '', 'tools');
  for (const { label, type, title } of QUESTION_BUTTONS) {
    const button = element('button', label);
    button.type = 'button';
    button.title = title;
    button.addEventListener('click', () => { if (!isBusy) postMessage({ type, turn: turnOf(section) }); });
    tools.append(button);
  }
  section.append(tools);
  return section;
}

function turnOf(section: HTMLElement): number {
  return [...turns.querySelectorAll('.question')].indexOf(section);
}

/** Removes a question and everything after it. */
function truncate(turn: number): void {
  const first = turns.querySelectorAll('.question')[turn];
  while (first && turns.lastChild !== first) turns.lastChild!.remove();
  first?.remove();
  answer = [...turns.querySelectorAll<HTMLElement>('.answer')].at(-1);
}

function receive(message: Message): void {
  switch (message.type) {
    case 'focus':
      return questionInput.focus();
    case 'clear':
      answer = undefined;
      turns.replaceChildren();
      byId('note').hidden = true;
      return setBusy(false);
    case 'question':
      answer = element('section', '', 'answer');
      turns.append(questionElement(message.text), answer);
      byId('note').hidden = true;
      answerText = '';
      turns.scrollTop = turns.scrollHeight;
      return setBusy(true);
    case 'truncate':
      truncate(message.turn);
      questionInput.value = message.question;
      byId('note').textContent = message.note;
      byId('note').hidden = false;
      setBusy(false);
      // The question to answer is not sent yet.
      byId('regenerate').hidden = true;
      return questionInput.focus();
    case 'regenerate':
      answerText = '';
      renderAnswer();
      return setBusy(true);
    case 'text':
      answerText += message.text;
      return renderAnswer();
    case 'end':
      answerText = message.text ?? answerText;
      actions.paths = message.paths;
      renderAnswer(message.remarks);
      return setBusy(false);
  }
}

function ask(): void {
  const question = questionInput.value.trim();
  if (!question || isBusy) return;
  questionInput.value = '';
  postMessage({ type: 'ask', question });
}

byId('form').addEventListener('submit', (event) => { event.preventDefault(); ask(); });
byId('stop').addEventListener('click', () => postMessage({ type: 'stop' }));
byId('regenerate').addEventListener('click', () => postMessage({ type: 'regenerate' }));
questionInput.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask();
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && isBusy) postMessage({ type: 'stop' });
});
window.addEventListener('message', (event: MessageEvent<Message>) => receive(event.data));
postMessage({ type: 'ready' });
