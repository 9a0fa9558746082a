import { realpathSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { Failure } from '../errors/failure.js'

/**
 * Refuses a file of a model's folder that is a link to a file outside of the folder: it would be passed on with copies of the
 * model. In a cache of Hugging Face, where `snapshots/REVISION/` consists of links, their targets in `blobs/` count as inside.
 * @param name  of a file that exists
 * @throws Failure InvalidInput
 */
export function refuseLinkOutside(folder: string, name: string): void {
  const inside = realpathSync(folder)
  const target = realpathSync(join(folder, name))
  const cache = basename(dirname(inside)) === 'snapshots' ? [join(dirname(dirname(inside)), 'blobs')] : []
  if ([inside, ...cache].some((room) => target.startsWith(room + sep))) return
  throw new Failure('InvalidInput', `${join(folder, name)} is a link to ${target}, outside of the model's folder`, {
    file: join(folder, name),
    remedy: 'A copy of the model would contain that file. If that is wanted, put a copy of it in place of the link.',
  })
}
