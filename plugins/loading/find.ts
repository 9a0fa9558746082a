import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { readSchema } from '../../schemas/read.js'
import { checkValue } from '../../spec/validate.js'
import { packageRoot, packageVersion } from '../../store/paths.js'
import { pluginApiVersion, type JsonObject } from '../../api/index.js'
import { BadPlugin } from './bad-plugin.js'

/** A plugin where it lies. Nothing of it has been executed. */
export interface FoundPlugin {
  /** As the spec writes it. */
  readonly written: string
  readonly kind: 'folder' | 'package'
  /** Of its package.json, as are `name`, `version` and `entry`. A real path, links followed. */
  readonly root: string
  readonly name: string
  readonly version: string
  /** Module with the default export, a real path within `root`. */
  readonly entry: string
}

const packageName = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/

/** Whether a text names an npm package; otherwise it is a path. */
export const isPackageName = (text: string): boolean => packageName.test(text)

/**
 * Finds a plugin and reads its package.json.
 * @param written  a package's name, or a path relative to `folder`
 * @throws BadPlugin
 */
export function findPlugin(written: string, folder: string): FoundPlugin {
  const kind = isPackageName(written) ? 'package' : 'folder'
  const place = kind === 'folder' ? resolve(folder, written) : installed(written, folder)
  if (!existsSync(join(place, 'package.json'))) {
    const there = existsSync(place)
    throw new BadPlugin(
      there ? 'broken-plugin' : 'unknown-plugin',
      there ? `The plugin "${written}" has no package.json.` : `There is no folder "${written}".`,
      there ? undefined : 'paths start from the spec’s folder; a name without slashes is an npm package',
    )
  }
  const root = realpathSync(place)
  const { name, version = '0.0.0', puzzleflow } = readManifest(join(root, 'package.json'), written)
  const broken = (message: string) => new BadPlugin('broken-plugin', `The package.json of "${written}" ${message}`)
  if (typeof name !== 'string' || !isPackageName(name)) throw broken('has no valid `name`.')
  if (kind === 'package' && name !== written) throw broken(`says that its name is "${name}".`)
  if (typeof version !== 'string' || !/^[\w.+-]+$/.test(version)) throw broken('has no valid `version`.')
  const entry = resolve(root, entryOf(puzzleflow, written, broken))
  if (!existsSync(entry) || !statSync(entry).isFile())
    throw broken(`names the module ./${relative(root, entry).replaceAll(sep, '/')}, which does not exist.`)
  const real = realpathSync(entry)
  if (!real.startsWith(root + sep)) throw broken('names a module outside its folder.')
  return { written, kind, root, name, version, entry: real }
}

/** The folder of an installed package: as Node finds it from the spec's folder, else from puzzleflow's. */
function installed(name: string, folder: string): string {
  const place = installedAbove(folder, name) ?? installedAbove(packageRoot(), name)
  if (place !== undefined) return place
  const message = `The package "${name}" is not installed where the spec or puzzleflow finds it.`
  throw new BadPlugin('unknown-plugin', message, `npm install ${name}; write a folder as ./${name}`)
}

/** The folder of a package in the nearest `node_modules` of this folder and those above it that has it. */
export function installedAbove(folder: string, name: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const place = join(at, 'node_modules', name)
    if (existsSync(join(place, 'package.json'))) return place
    if (at === dirname(at)) return undefined
  }
}

/** Largest package.json that is read. */
const mostManifestBytes = 2 ** 20

function readManifest(file: string, written: string): Record<string, unknown> {
  try {
    const stats = statSync(file)
    if (!stats.isFile() || stats.size > mostManifestBytes)
      throw new Error(`it is not a file of at most ${mostManifestBytes} bytes`)
    const json: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof json === 'object' && json !== null) return json as Record<string, unknown>
    throw new Error('it is not an object')
  } catch (cause) {
    const message = `The package.json of "${written}" cannot be read: ${(cause as Error).message}.`
    throw new BadPlugin('broken-plugin', message, undefined, { cause })
  }
}

function entryOf(manifest: unknown, written: string, broken: (message: string) => BadPlugin): string {
  if (typeof manifest !== 'object' || manifest === null || Array.isArray(manifest))
    throw new BadPlugin(
      'broken-plugin',
      broken('does not say which module to load.').message,
      'add "puzzleflow": { "plugin": "./index.js" }',
    )
  const { findings } = checkValue(readSchema('plugin'), manifest as JsonObject, 'puzzleflow')
  if (findings[0]) throw new BadPlugin('broken-plugin', broken(`is wrong: ${findings[0].message}`).message)
  const { plugin, api = 1 } = manifest as { plugin: string; api?: number }
  if (api > pluginApiVersion)
    throw new BadPlugin(
      'plugin-too-new',
      `The plugin "${written}" needs version ${api} of the plugin interface; puzzleflow ${packageVersion()} has version ${pluginApiVersion}.`,
      'update puzzleflow, or take an older version of the plugin',
    )
  return plugin
}
