import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { parseDigest, type Digest } from './digest.js'

/** How many times in a row a connection may break before a byte has arrived. */
const attempts = 6

/**
 * Reads an object, into a file or only for its digest. If the connection breaks, the download continues where it stopped.
 * @returns its SHA-256
 */
export async function download(
  client: S3Client,
  place: { readonly Bucket: string; readonly Key: string },
  path: string | undefined,
): Promise<Digest> {
  const hash = createHash('sha256')
  const file = path === undefined ? undefined : await open(path, 'w')
  let [offset, tag, failed] = [0, undefined as string | undefined, 0]
  try {
    for (;;) {
      // Only broken downloads are continued: the client itself has already retried a request that fails entirely.
      const from = offset > 0 ? { Range: `bytes=${offset}-`, ...(tag === undefined ? {} : { IfMatch: tag }) } : {}
      const answer = await client.send(new GetObjectCommand({ ...place, ...from }))
      tag = answer.ETag
      const end = offset + (answer.ContentLength ?? 0)
      try {
        for await (const chunk of answer.Body as Readable) {
          const data = chunk as Buffer
          hash.update(data)
          await file?.writeFile(data)
          offset += data.length
          failed = 0
        }
        if (offset >= end) break
        throw new Error('The connection ended early')
      } catch (error) {
        if (isOfDisk(error) || ++failed >= attempts) throw error
        await pause(100 * 2 ** failed)
      }
    }
    await file?.sync()
  } finally {
    await file?.close()
  }
  return parseDigest(hash.digest('hex'))
}

const isOfDisk = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')
