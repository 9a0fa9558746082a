import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure } from '../api/index.js'
import { unexpanded } from '../spec/meant-path.js'
import { openStore as openStoreAt, storeFailure, storeNames, type OpenOptions, type Store } from '../store/index.js'
import { checkDestination } from './folder-settings.js'
import type { Common } from './options.js'
import { log } from './output.js'
import { readSettings } from './settings.js'
import { typed } from './typed.js'

/** The store that the user names, here, in the environment or in settings files, or the one in the user's state directory.
 *  One that is not there yet is an empty one, made when something is written. @throws Failure InvalidInput, NoServer */
export async function openStore(options: Common, how: Pick<OpenOptions, 'warn'> = {}): Promise<Store> {
  return (await open(options, how)).store
}

/** The same for commands that only look: nothing is written by it.
 *  @param needsStore  a store that the user names must be there. @default true
 *  @param how  `unsigned`: as if there were no key. @default false  @throws Failure NoServer */
export async function readStore(options: Common, needsStore = true, { unsigned = false } = {}): Promise<Store> {
  const { store, namedBy } = await open(options, { onlyRead: true, unsigned })
  if (needsStore && namedBy !== undefined && store.location === store.root) requireStore(store.root, namedBy)
  return store
}

const storeSetting = 'store in puzzleflow.config.yaml'

async function open({ store: flag }: Common, how: OpenOptions): Promise<{ store: Store; namedBy: string | undefined }> {
  const settings = readSettings()
  // By way of the environment it reaches the worker and its child processes too.
  if (settings.cacheBytes !== undefined) process.env.PUZZLEFLOW_CACHE_BYTES ??= String(settings.cacheBytes)
  const places = [
    ['--store', flag],
    ['PUZZLEFLOW_STORE', process.env.PUZZLEFLOW_STORE],
    [storeSetting, settings.store],
  ] as const
  const [namedBy, location] = places.find(([, place]) => place !== undefined) ?? []
  if (namedBy === storeSetting)
    checkDestination(
      {
        what: 'store',
        value: location!,
        file: settings.storeFile!,
        isElsewhere: location!.startsWith('s3://'),
        instead: [`--store ${location}`, `PUZZLEFLOW_STORE=${location}`],
      },
      settings,
    )
  // A shell does not expand `--store=~/x`, and a store would be made in a folder named `~`.
  const meant = location === undefined || existsSync(location) ? undefined : unexpanded(location)
  if (meant) throw new Failure('InvalidInput', meant.message!.replace(/\.$/, ''), { remedy: `${meant.hint}.` })
  const store = await openStoreAt(location, { warn: log, ...how })
  // A store that is not there yet is an empty one, unless it could never be there.
  let existing = store.root
  while (!existsSync(existing)) existing = dirname(existing)
  if (!statSync(existing).isDirectory())
    throw new Failure('NoServer', `No store can be created at ${store.root}: ${existing} is not a folder`, {
      remedy: 'Choose another folder: --store DIR.',
    })
  return { store, namedBy }
}

/** @throws Failure NoServer where a folder is not there, or holds other things */
function requireStore(root: string, namedBy: string): void {
  let names: readonly string[] | undefined
  try {
    names = readdirSync(root)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw storeFailure(error, root)
  }
  if (names?.length === 0 || names?.some((name) => storeNames.includes(name))) return
  throw new Failure(
    'NoServer',
    names ? `${root} is not a store: it holds other things` : `There is no store at ${root}`,
    {
      remedy: `Correct ${namedBy}, or start a search there: ${typed('run', 'SPEC')}.`,
    },
  )
}
