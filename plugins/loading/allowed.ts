import { realpathSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import { BadPlugin } from './bad-plugin.js'
import { isPackageName, type FoundPlugin } from './find.js'

/** Plugins whose code the user lets run. */
export interface Allowed {
  /** npm packages by name. */
  readonly packages: ReadonlySet<string>
  /** Real paths of folders. */
  readonly folders: ReadonlySet<string>
}

/** What the user wrote: a package's name, or a path. */
export interface AllowEntry {
  readonly text: string
  /** That a path starts from. */
  readonly folder: string
}

/** Reads allow entries. A path that does not exist allows nothing. */
export function allowing(entries: readonly AllowEntry[]): Allowed {
  const packages = new Set<string>()
  const folders = new Set<string>()
  for (const { text, folder } of entries)
    if (isPackageName(text)) packages.add(text)
    else folders.add(realPath(resolve(folder, text)))
  return { packages, folders }
}

/** @throws BadPlugin plugin-not-allowed, whose hint says what to write where */
export function checkAllowed({ kind, name, root, written }: FoundPlugin, { packages, folders }: Allowed): void {
  if (folders.has(root) || (kind === 'package' && packages.has(name))) return
  const entry = kind === 'package' ? name : shortest(root)
  throw new BadPlugin(
    'plugin-not-allowed',
    `The plugin "${written}" would run code on this machine, and has not been allowed to.`,
    `if you trust it: --allow-plugin ${entry}, or the line \`allowPlugins: ['${entry}']\` in puzzleflow.config.yaml`,
  )
}

/** Whether commands may run that a spec or a plugin's pipeline in this folder writes, and what to write where if not. */
export function commandsAllowed(folder: string, { folders }: Allowed): { readonly hint: string } | undefined {
  const root = realPath(folder)
  if (folders.has(root)) return undefined
  const entry = shortest(root)
  return {
    hint: `if you trust it: --allow-plugin ${entry}, or the line \`allowPlugins: ['${entry}']\` in puzzleflow.config.yaml`,
  }
}

/** From the current folder when it lies below it. */
function shortest(path: string): string {
  const below = relative(realPath(process.cwd()), path)
  return below === '..' || below.startsWith(`..${sep}`) || below === '' ? path : `./${below.replaceAll(sep, '/')}`
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
