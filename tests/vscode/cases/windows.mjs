// Several windows share one daemon; when it ends, each comes back by itself.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

const shop = 'def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return';

async function works(window) {
  await window.ready();
  await window.type(' ');
  await window.waitGhost(/a - b/);
  await window.press('Escape');
}

export default {
  async 'two windows share one daemon'(bench) {
    const first = await bench.first('one.py', shop);
    await first.ready();
    const connections = () => bench.processes().filter(({ args }) => args[0] === 'lsp').length;
    const clients = async () => (await bench.daemonStatus()).clients;
    await until(() => connections() === 1, 'windows of other cases are gone');
    await until(async () => (await clients()) === 1, 'the daemon sees that they are gone');
    const second = await bench.open('two.py', shop);
    await works(second);
    assert.equal(await clients(), 2);
    assert.equal(bench.processes().filter(({ args }) => args.join(' ') === 'daemon serve').length, 1);
    await works(first);
    await bench.screenshot('second window');
    await second.close();
    await until(async () => (await clients()) === 1, 'the daemon sees the window go');
  },

  async 'a connection that is killed comes back'(bench) {
    const window = await bench.first('killed.py', shop);
    await window.ready();
    const [old] = bench.processes().filter(({ args }) => args[0] === 'lsp');
    process.kill(old.id, 'SIGKILL');
    await until(() => bench.processes().some(({ id, args }) => args[0] === 'lsp' && id !== old.id), 'another process');
    await works(window);
  },

  async 'what is typed while there is no connection is answered when it is back'(bench) {
    const window = await bench.first('typed.py', shop);
    await window.ready();
    const [old] = bench.processes().filter(({ args }) => args[0] === 'lsp');
    process.kill(old.id, 'SIGKILL');
    await window.waitStatus(/connection lost|starting/);
    await window.type(' ');
    await window.waitGhost(/a - b/);
    await window.press('Escape');
  },

  async 'a daemon that is killed comes back'(bench) {
    const window = await bench.first('daemon.py', shop);
    await window.ready();
    const [old] = bench.processes().filter(({ args }) => args[0] === 'daemon');
    process.kill(old.id, 'SIGKILL');
    await until(() => bench.processes().some(({ id, args }) => args[0] === 'daemon' && id !== old.id), 'another daemon');
    await works(window);
  },

  async 'what is typed while the model is loaded is answered when it is there'(bench) {
    const window = await bench.first('loads.py', shop);
    await window.ready();
    const [old] = bench.processes().filter(({ args }) => args[0] === 'daemon');
    process.kill(old.id, 'SIGKILL');
    await window.waitStatus(/loading the model/);
    await window.type(' ');
    await window.waitGhost(/a - b/);
    await window.press('Escape');
  },

  async 'the page asked no other machine for anything'(bench) {
    assert.deepEqual([...bench.outside], []);
  },
};
