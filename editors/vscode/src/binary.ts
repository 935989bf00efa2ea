// Finds the daemon's program: where the setting says, then FORETYPE_BIN, then PATH, then cargo's folder.
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';

const program = process.platform === 'win32' ? 'foretype.exe' : 'foretype';

/** The program, or in words why there is none. */
export type Found = { path: string } | { problem: string };

export async function findBinary(): Promise<Found> {
  const set = vscode.workspace.getConfiguration('foretype').get<string>('serverPath', '').trim();
  if (set) return check(home(set), 'the setting foretype.serverPath');
  const variable = process.env['FORETYPE_BIN'];
  if (variable) return check(variable, 'FORETYPE_BIN');
  for (const folder of [...(process.env['PATH'] ?? '').split(path.delimiter), path.join(homedir(), '.cargo', 'bin')]) {
    const candidate = path.join(folder, program);
    if (path.isAbsolute(candidate) && (await isProgram(candidate))) return { path: candidate };
  }
  return { problem: 'the program foretype is not found' };
}

/** What the user named is used or reported; it is never silently replaced by another. */
async function check(candidate: string, source: string): Promise<Found> {
  if (await isProgram(candidate)) return { path: candidate };
  return { problem: `${source} names ${candidate}, which is not a program` };
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

function home(file: string): string {
  return file === '~' || file.startsWith('~/') ? path.join(homedir(), file.slice(1)) : file;
}
