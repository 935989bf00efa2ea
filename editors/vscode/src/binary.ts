// Finds the program `foretype`: the setting foretype.serverPath, then FORETYPE_BIN, then PATH, then cargo's folder.
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';

const programName = process.platform === 'win32' ? 'foretype.exe' : 'foretype';

/** The path of the program, or the reason why there is none. */
export type BinaryLookup = { path: string } | { problem: string };

export async function findBinary(): Promise<BinaryLookup> {
  const setting = vscode.workspace.getConfiguration('foretype').get<string>('serverPath', '').trim();
  if (setting) return checkPath(expandHome(setting), 'the setting foretype.serverPath');
  const variable = process.env['FORETYPE_BIN'];
  if (variable) return checkPath(variable, 'FORETYPE_BIN');
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), path.join(homedir(), '.cargo', 'bin')];
  for (const folder of folders) {
    const candidate = path.join(folder, programName);
    if (path.isAbsolute(candidate) && (await isExecutable(candidate))) return { path: candidate };
  }
  return { problem: 'the program foretype was not found' };
}

/** Checks a path that the user configured. A wrong one is reported, never replaced by another program. */
async function checkPath(candidate: string, source: string): Promise<BinaryLookup> {
  if (await isExecutable(candidate)) return { path: candidate };
  return { problem: `${source} names ${candidate}, which is not an executable file` };
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

function expandHome(file: string): string {
  return file === '~' || file.startsWith('~/') ? path.join(homedir(), file.slice(1)) : file;
}
