/** The package as a user has it: packed, and installed in a project of its own, without a network and without our neighbours. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack, quietNpm } from '../../scripts/checks/packing.mjs';
import { run } from '../../scripts/run.mjs';

export interface Installed {
  /** The project that it is installed in. */
  readonly project: string;
  /** Where it lies there. */
  readonly folder: string;
  readonly files: readonly string[];
  /** Bytes, packed. */
  readonly size: number;
  remove(): Promise<void>;
}

export async function install(): Promise<Installed> {
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-package-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const { tarball, files, size } = await pack(folder);
    const project = join(folder, 'project');
    await mkdir(project);
    await writeFile(join(project, 'package.json'), '{ "name": "a-project", "private": true }');
    const args = ['install', '--offline', '--ignore-scripts', '--no-package-lock', tarball];
    const { code, output } = await run('npm', args, { cwd: project, env: quietNpm() });
    if (code !== 0) throw new Error(`npm install of the tarball failed:\n${output}`);
    return { project, folder: join(project, 'node_modules/dogpile-cache'), files, size, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Runs a program of the project under plain node. Answers with what it prints; throws what it says when it fails. */
export async function node(installed: Installed, program: string, args: readonly string[] = []): Promise<string> {
  const { code, output, stdout } = await run(process.execPath, [...args, '-e', program], { cwd: installed.project });
  if (code !== 0) throw new Error(output);
  return stdout.trim();
}
