import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The user's state directory: `$XDG_STATE_HOME/puzzleflow`, by default `~/.local/state/puzzleflow`. */
export function stateDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_STATE_HOME
  // The XDG specification says that relative paths are to be ignored.
  return join(base?.startsWith('/') ? base : join(homedir(), '.local', 'state'), 'puzzleflow')
}

/** Where artifacts and records go unless `--store` says otherwise. */
export const defaultStoreRoot = (): string => join(stateDirectory(), 'store')

/** Where what is pinned by machine (profiles) is kept. */
export const machineStateDirectory = (): string => join(stateDirectory(), 'machine')

/** Folder of what can be made again: built programs. */
export function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'puzzleflow')
}

/** Folder of the package: where package.json lies, above the sources as above dist/. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('Internal error: no package.json above the program')
    folder = parent
  }
  return folder
}

/** Version of the package. */
export const packageVersion = (): string =>
  (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version
