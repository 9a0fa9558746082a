import { realpathSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import { packageRoot, userSettingsFile } from '../../store/paths.js'
import { BadPlugin } from './bad-plugin.js'
import { installedAbove, isPackageName, type FoundPlugin } from './find.js'

/** Code that the user lets run. */
export interface Allowed {
  /** Real paths of folders. */
  readonly folders: ReadonlySet<string>
  /** Names of packages that are allowed where puzzleflow is installed, and nowhere else. */
  readonly packages: ReadonlySet<string>
}

/** What the user wrote: a package's name, or a path. */
export interface AllowEntry {
  readonly text: string
  /** That a path starts from. */
  readonly folder: string
}

/**
 * Reads allow entries. A package's name allows the package that Node finds from puzzleflow's own folder. It says nothing about
 * a package of that name elsewhere: anyone can put one into the `node_modules` next to a spec. What does not exist allows nothing.
 * @param installation  folder of puzzleflow
 */
export function allowing(entries: readonly AllowEntry[], installation = packageRoot()): Allowed {
  const packages = new Set<string>()
  const folders = new Set<string>()
  for (const { text, folder } of entries) {
    const isPackage = isPackageName(text)
    if (isPackage) packages.add(text)
    const place = isPackage ? installedAbove(installation, text) : resolve(folder, text)
    if (place !== undefined) folders.add(realPath(place))
  }
  return { folders, packages }
}

/** @throws BadPlugin plugin-not-allowed, whose hint says what to write where */
export function checkAllowed({ kind, name, root, written }: FoundPlugin, { folders, packages }: Allowed): void {
  if (folders.has(root)) return
  const elsewhere = kind === 'package' && packages.has(name)
  throw new BadPlugin(
    'plugin-not-allowed',
    `The plugin "${written}" would run code on this machine, and has not been allowed to.` +
      (elsewhere ? ` Its name allows only a package that is installed with puzzleflow; this one is in ${root}.` : ''),
    howToAllow(root),
  )
}

/** Whether commands may run that a spec or a plugin's pipeline in this folder writes, and what to write where if not. */
export function commandsAllowed(folder: string, { folders }: Allowed): { readonly hint: string } | undefined {
  const root = realPath(folder)
  return folders.has(root) ? undefined : { hint: howToAllow(root) }
}

const howToAllow = (root: string): string =>
  `if you trust it: --allow-plugin ${typed(shortest(root))}, or the line \`allowPlugins: ['${root.replaceAll("'", "''")}']\` in ${userSettingsFile()}`

/** A path as a shell reads it: a folder's name may come from a stranger. */
const typed = (path: string): string => (/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`)

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
