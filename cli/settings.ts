import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Failure, type JsonObject } from '../api/index.js'
import type { AllowEntry } from '../plugins/loading/allowed.js'
import { refuseIrregular } from '../files/irregular.js'
import { readSchema } from '../schemas/read.js'
import { isBad, parseAddress } from '../server/address.js'
import { formatDiagnostic, type Diagnostic } from '../spec/diagnostics.js'
import { readDocument } from '../spec/document.js'
import { unexpanded } from '../spec/meant-path.js'
import { decodeText } from '../spec/spec-text.js'
import { explainTraps } from '../spec/traps.js'
import { checkValue } from '../spec/validate.js'
import { settingsFile, userSettingsFile } from '../store/paths.js'

/** What the settings files say. */
export interface Settings {
  /** A folder, absolute, or `s3://…`. */
  readonly store?: string
  /** The file that sets the store: the user's, where both set the same. */
  readonly storeFile?: string
  readonly address?: string
  /** The file that sets the address: the user's, where both set the same. */
  readonly addressFile?: string
  /** Bound of the local cache in front of a store in S3. */
  readonly cacheBytes?: number
  /** Of the user's file alone. */
  readonly allowPlugins: readonly AllowEntry[]
  /** Folders whose settings files may lead to other machines, absolute. Of the user's file alone. */
  readonly allowSettings?: readonly string[]
}

/** Places of settings files, the current folder's and the user's: of two that set the same, the first counts. */
export const settingsPlaces = (folder = process.cwd(), environment = process.env): readonly [string, string] => [
  join(folder, settingsFile),
  userSettingsFile(environment),
]

/**
 * Reads the settings files that are there.
 * @throws Failure with all mistakes in them
 */
export function readSettings(places = settingsPlaces()): Settings {
  const [ofFolder, ofUser] = places
  const isOnlyUsers = existsSync(ofFolder) && existsSync(ofUser) && realpathSync(ofFolder) === realpathSync(ofUser)
  const files = (isOnlyUsers ? [ofUser] : places)
    .filter((file) => existsSync(file))
    .map((file) => ({ ...readFile(file, ofUser), file }))
  const store = files.find((file) => file.store !== undefined)?.store
  const address = files.find((file) => file.address !== undefined)?.address
  const cacheBytes = files.find((file) => file.cacheBytes !== undefined)?.cacheBytes
  const allowSettings = files.flatMap((file) => file.allowSettings ?? [])
  return {
    ...(store === undefined ? {} : { store, storeFile: files.findLast((file) => file.store === store)!.file }),
    ...(address === undefined
      ? {}
      : { address, addressFile: files.findLast((file) => file.address === address)!.file }),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
    allowPlugins: files.flatMap(({ allowPlugins }) => allowPlugins),
    ...(allowSettings.length > 0 && { allowSettings }),
  }
}

/** What is amiss with the address, where it is a text at all. */
function addressMistakes({ map }: ReturnType<typeof readDocument>, { address }: JsonObject): Diagnostic[] {
  if (typeof address !== 'string') return []
  const read = parseAddress(address)
  if (!isBad(read)) return []
  const message = `address: "${address}" ${read.problem}.`
  return [map.diagnose('/address', 'value', { code: 'wrong-value', message, hint: read.remedy })]
}

/** The current folder may be a stranger's: only the user's own file, or the command line, allows anything. */
function strangersAllowing(document: ReturnType<typeof readDocument>, data: JsonObject, user: string): Diagnostic[] {
  const { file, map } = document
  if (file === user) return []
  const allowing = [
    ['allowPlugins', 'plugins', ', or use --allow-plugin'],
    ['allowSettings', 'settings', ''],
  ] as const
  return allowing.flatMap(([key, what, otherwise]) => {
    if (data[key] === undefined) return []
    const message = `A settings file of the current folder cannot allow ${what}: it may have come with somebody else’s files.`
    const hint = `remove it here; if you trust them, write it to ${user} with whole paths${otherwise}`
    return [map.diagnose(`/${key}`, 'key', { code: 'not-allowed-here', message, hint })]
  })
}

function readFile(file: string, user: string): Settings {
  refuseIrregular(file)
  const read = decodeText(readFileSync(file), file)
  if ('problem' in read) throw new Failure('InvalidInput', formatDiagnostic(read.problem), { file })
  const document = readDocument(file, read.text)
  // An empty file, or one of comments only, sets nothing.
  if (document.text.replace(/^\s*#.*$/gm, '').trim() === '') return { allowPlugins: [] }
  const { data, findings } = checkValue(readSchema('config'), document.data)
  const mistakes = [
    ...document.diagnostics,
    ...explainTraps(
      document.unreadable ? [] : findings.map((found) => document.map.diagnose(found.at, found.where, found)),
      document,
    ),
    ...addressMistakes(document, data),
    ...strangersAllowing(document, data, user),
  ]
  if (mistakes.length > 0) throw new Failure('InvalidInput', mistakes.map(formatDiagnostic).join('\n'), { file })
  const {
    store,
    address,
    cache,
    allowPlugins = [],
    allowSettings = [],
  } = data as {
    store?: string
    address?: string
    cache?: number
    allowPlugins?: readonly string[]
    allowSettings?: readonly string[]
  }
  const folder = dirname(file)
  for (const [key, place] of [
    ['store', store] as const,
    ...allowPlugins.map((name, i) => [`allowPlugins/${i}`, name] as const),
    ...allowSettings.map((name, i) => [`allowSettings/${i}`, name] as const),
  ]) {
    const meant = place === undefined || existsSync(resolve(folder, place)) ? undefined : unexpanded(place)
    if (!meant) continue
    const diagnostic = document.map.diagnose(`/${key}`, 'value', { code: 'wrong-value', message: '', ...meant })
    throw new Failure('InvalidInput', formatDiagnostic(diagnostic), { file })
  }
  return {
    ...(store === undefined ? {} : { store: store.startsWith('s3://') ? store : resolve(folder, store) }),
    ...(address === undefined ? {} : { address }),
    ...(cache === undefined ? {} : { cacheBytes: cache }),
    allowPlugins: allowPlugins.map((text) => ({ text, folder })),
    allowSettings: allowSettings.map((name) => resolve(folder, name)),
  }
}
