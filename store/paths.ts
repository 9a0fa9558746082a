import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Returns the user's state directory: `$XDG_STATE_HOME/puzzleflow`, by default `~/.local/state/puzzleflow`. */
export function stateDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_STATE_HOME
  // The XDG specification requires that relative paths be ignored.
  return join(base?.startsWith('/') ? base : join(homedir(), '.local', 'state'), 'puzzleflow')
}

/** Returns the default folder of the store. */
export const defaultStoreRoot = (): string => join(stateDirectory(), 'store')

/** Returns the folder for data that belongs to this machine, such as profiles. */
export const machineStateDirectory = (): string => join(stateDirectory(), 'machine')

/** Returns the folder for files that can be recreated, such as built programs. */
export function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'puzzleflow')
}

/** Returns the user's settings file: `$XDG_CONFIG_HOME/puzzleflow/puzzleflow.config.yaml`, by default below `~/.config`. */
export function userSettingsFile(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_CONFIG_HOME
  return join(base?.startsWith('/') ? base : join(homedir(), '.config'), 'puzzleflow', settingsFile)
}

/** Name of settings files. */
export const settingsFile = 'puzzleflow.config.yaml'

/** Returns the folder of the package, which contains package.json. It is above the sources and above dist/. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('Internal error: no package.json above the program')
    folder = parent
  }
  return folder
}

/** Returns the version of the package. */
export const packageVersion = (): string =>
  (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version
