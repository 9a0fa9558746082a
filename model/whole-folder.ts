import { mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Failure } from '../api/index.js'
import { writing } from './writing.js'

/**
 * Makes a folder that appears whole or not at all.
 * @param folder  must not exist, or be empty
 * @param fill    writes into the folder that will become it
 * @throws Failure InvalidInput when there is something at `folder`
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
    // Where it could not be made, what lies there cannot be removed either.
    await remove().catch(() => {})
  }
}

/** What is said of a place where there is something already. */
export const taken = (folder: string): Failure =>
  new Failure('InvalidInput', `${folder} exists already`, {
    file: folder,
    remedy: 'Remove it, or name another folder.',
  })
