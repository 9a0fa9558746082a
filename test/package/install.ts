import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../store/paths.js'

/** Runs a command in a folder and returns what it prints. */
export type Run = (folder: string, command: string, ...args: string[]) => string

const root = packageRoot()

/** Version of this checkout. */
export const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string }

/** Writes to a folder what a clone would hold if all changes of this checkout were committed. */
export function writeClone(run: Run, to: string): void {
  const paths = run(root, 'git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard').split('\0')
  for (const path of paths.filter((path) => path !== '' && existsSync(join(root, path))))
    cpSync(join(root, path), join(to, path))
}

/** Packs a clone, which sets itself up for it. @returns path of the package */
export function pack(run: Run, clone: string, to: string): string {
  run(clone, 'npm', 'pack', '--pack-destination', to)
  return join(to, `puzzleflow-${version}.tgz`)
}

/** Installs a package in a new project that needs nothing else, and puts the quickstart's search beside it. */
export function installPackage(run: Run, tarball: string, project: string): void {
  mkdirSync(project, { recursive: true })
  writeFileSync(join(project, 'package.json'), '{"private": true, "type": "module"}')
  run(project, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball)
  cpSync(join(root, 'examples/quickstart'), join(project, 'quickstart'), { recursive: true })
}
