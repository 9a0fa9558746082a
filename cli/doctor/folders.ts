import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { diskOf } from '../../plugins/inspect/resources.js'
import { unique } from '../../store/files.js'
import { cacheDirectory, stateDirectory } from '../../store/paths.js'
import { describeBytes } from '../../errors/amounts.js'
import { readStore } from '../open-store.js'
import type { Common } from '../options.js'
import { failed, missing, ok, type Check } from './check.js'

/** Seconds by which the clocks of this machine and of a disk may differ. `artifacts gc` goes by the ages of files. */
const mostSkew = 60

/** Bytes that a disk must have free. The store of the quickstart's search has a quarter of a gigabyte. */
const disk = { least: 2 ** 28, comfortable: 5 * 2 ** 30 }

/** Whether the store is there, or can be made, and the other folders that every search writes to. */
export async function folderChecks(options: Common): Promise<Check[]> {
  return [
    ...(await storeChecks(options)),
    ...folder('state folder', stateDirectory(), 'set XDG_STATE_HOME to another folder'),
    ...folder('cache', cacheDirectory(), 'set XDG_CACHE_HOME to another folder'),
    ...folder('current folder', process.cwd(), 'change to another folder: results are written to runs/ here'),
  ]
}

async function storeChecks(options: Common): Promise<Check[]> {
  try {
    const { root, location } = await readStore(options, false)
    if (location !== root) {
      // The SDK takes a while to load.
      const { probeBucket } = await import('../../store/s3-probe.js')
      await probeBucket(location)
      return [ok('store', `${location} can be written`), diskCheck('disk of the local cache', root)]
    }
    const found = folder('store', root, 'choose another folder: --store DIR')
    return found.some(({ state }) => state === 'missing') ? found : [...found, diskCheck('disk of the store', root)]
  } catch (error) {
    return [failed('store', error)]
  }
}

/** Writes a file where a folder is, or would be, and removes it. */
function folder(name: string, path: string, otherwise: string): Check[] {
  const place = existing(path)
  const probe = join(place, `.puzzleflow-${unique()}.tmp`)
  try {
    const before = Date.now()
    writeFileSync(probe, 'doctor')
    const { mtimeMs } = statSync(probe)
    const skew = Math.max(before - mtimeMs, mtimeMs - Date.now()) / 1000
    const written = ok(name, path === place ? path : `${path}, which will be created`)
    return skew > mostSkew ? [written, skewed(name, skew)] : [written]
  } catch (error) {
    const { code = 'error' } = error as NodeJS.ErrnoException
    const kind = code === 'ENOSPC' || code === 'EDQUOT' ? 'OutOfDisk' : 'NoServer'
    const remedy = kind === 'OutOfDisk' ? 'Free some space' : `Make ${place} writable for this user`
    return [missing(name, kind, `${path} cannot be written (${code})`, `${remedy}, or ${otherwise}.`)]
  } finally {
    rmSync(probe, { force: true })
  }
}

const skewed = (name: string, seconds: number): Check => ({
  name: `clock of the ${name}`,
  state: 'warning',
  found: `its disk and this machine differ by ${Math.round(seconds)} s`,
  remedy: 'Set both clocks by NTP: `artifacts gc` goes by the ages of files.',
})

function diskCheck(name: string, path: string): Check {
  const free = diskOf(path)
  const found = `${describeBytes(free)} free`
  const remedy =
    'Free some space, or choose another store: --store DIR. `npx puzzleflow plan SPEC` says what a search needs.'
  if (free < disk.least) return missing(name, 'OutOfDisk', found, remedy)
  return free < disk.comfortable ? { name, state: 'warning', found, remedy } : ok(name, found)
}

/** The folder itself, or the nearest above it that is there. */
function existing(path: string): string {
  let place = resolve(path)
  while (!existsSync(place)) place = dirname(place)
  return place
}
