// Several windows share one daemon, and each reconnects after the daemon or its connection is killed.
import assert from 'node:assert/strict';
import { waitFor } from '../window.mjs';

const shop = 'def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return';

async function expectSuggestion(window) {
  await window.waitUntilReady();
  await window.type(' ');
  await window.waitForGhost(/a - b/);
  await window.press('Escape');
}

export default {
  async 'two windows share one daemon'(env) {
    const first = await env.sharedWindow('one.py', shop);
    await first.waitUntilReady();
    const connections = () => env.processes().filter(({ args }) => args[0] === 'lsp').length;
    const clients = async () => (await env.daemonStatus()).clients;
    await waitFor(() => connections() === 1, 'the windows of other cases are closed');
    await waitFor(async () => (await clients()) === 1, 'the daemon notices');
    const second = await env.openWindow('two.py', shop);
    await expectSuggestion(second);
    assert.equal(await clients(), 2);
    assert.equal(env.processes().filter(({ args }) => args.join(' ') === 'daemon serve').length, 1);
    await expectSuggestion(first);
    await env.screenshot('second window');
    await second.close();
    await waitFor(async () => (await clients()) === 1, 'the daemon notices that the window was closed');
  },

  async 'a killed connection is restored'(env) {
    const window = await env.sharedWindow('killed.py', shop);
    await window.waitUntilReady();
    const [old] = env.processes().filter(({ args }) => args[0] === 'lsp');
    process.kill(old.id, 'SIGKILL');
    await waitFor(() => env.processes().some(({ id, args }) => args[0] === 'lsp' && id !== old.id), 'a new process');
    await expectSuggestion(window);
  },

  async 'text typed while there is no connection gets a suggestion once it is restored'(env) {
    const window = await env.sharedWindow('typed.py', shop);
    await window.waitUntilReady();
    const [old] = env.processes().filter(({ args }) => args[0] === 'lsp');
    process.kill(old.id, 'SIGKILL');
    await window.waitForStatus(/connection lost|starting/);
    await window.type(' ');
    await window.waitForGhost(/a - b/);
    await window.press('Escape');
  },

  async 'a killed daemon is restarted'(env) {
    const window = await env.sharedWindow('daemon.py', shop);
    await window.waitUntilReady();
    const [old] = env.processes().filter(({ args }) => args[0] === 'daemon');
    process.kill(old.id, 'SIGKILL');
    await waitFor(() => env.processes().some(({ id, args }) => args[0] === 'daemon' && id !== old.id), 'a new daemon');
    await expectSuggestion(window);
  },

  async 'text typed while the model is being loaded gets a suggestion once it is ready'(env) {
    const window = await env.sharedWindow('loads.py', shop);
    await window.waitUntilReady();
    const [old] = env.processes().filter(({ args }) => args[0] === 'daemon');
    process.kill(old.id, 'SIGKILL');
    await window.waitForStatus(/loading the model/);
    await window.type(' ');
    await window.waitForGhost(/a - b/);
    await window.press('Escape');
  },

  async 'no page sends a request to another machine'(env) {
    assert.deepEqual([...env.foreignOrigins], []);
  },
};
