import { mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Failure } from '../api/index.js'
import { writing } from './writing.js'

/**
 * Creates a folder that appears complete or not at all.
 *
 * @param folder  must not exist, or be empty
 * @param fill    writes into the folder that will become it
 * @throws Failure InvalidInput if `folder` exists and is not empty
 */
export async function wholeFolder<T>(folder: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  const target = resolve(folder)
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`)
  const remove = () => rm(temporary, { recursive: true, force: true })
  try {
    await writing(folder, async () => {
      await remove()
      await mkdir(temporary, { recursive: true })
    })
    const filled = await fill(temporary)
    await writing(folder, () =>
      rename(temporary, target).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST' && error.code !== 'ENOTDIR') throw error
        throw taken(folder)
      }),
    )
    return filled
  } finally {
    // If the folder could not be created, there is nothing to remove.
    await remove().catch(() => {})
  }
}

/** Creates the error for an output folder that already exists. */
export const taken = (folder: string): Failure =>
  new Failure('InvalidInput', `${folder} already exists`, {
    file: folder,
    remedy: 'Remove it, or name another folder.',
  })
