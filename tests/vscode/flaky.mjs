// Budget of cases that pass only on the second try, and the list that explains the known ones.
import { readFileSync } from 'node:fs';

/** Number of cases that may need a second try in one run, and of lines in tests/flaky-cases.txt. */
const MAX_FLAKY = 2;

/** Reasons of the listed cases of a suite, by case. */
function listedCases(suite) {
  const text = readFileSync(new URL('../flaky-cases.txt', import.meta.url), 'utf8');
  const lines = text.split('\n').filter((line) => line.trim() && !line.startsWith('#'));
  const rows = lines.map((line) => line.split('|').map((field) => field.trim()));
  if (rows.length > MAX_FLAKY || rows.some((row) => row.length !== 3 || row.includes(''))) {
    throw new Error(`tests/flaky-cases.txt: at most ${MAX_FLAKY} lines of "suite | case | reason"`);
  }
  return new Map(rows.filter((row) => row[0] === suite).map((row) => [row[1], row[2]]));
}

/** Prints the cases that needed a second try; true if they are within the budget. */
export function reportFlaky(suite, flaky) {
  const known = listedCases(suite);
  for (const name of flaky) console.log(`flaky  ${name} (${known.get(name) ?? 'not listed in tests/flaky-cases.txt'})`);
  console.log(`flaky: ${flaky.length}, at most ${MAX_FLAKY} allowed`);
  return flaky.length <= MAX_FLAKY;
}
