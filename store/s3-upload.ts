import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type S3Client,
} from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { open, readFile, type FileHandle } from 'node:fs/promises'
import type { Digest } from './store.js'

const mebibyte = 2 ** 20
/** Larger files are uploaded in parts of this size, or in larger parts if there would be more than S3 allows. */
export const partBytes = 16 * mebibyte
const mostParts = 10_000
/** Number of parts that are in memory and sent at the same time. */
const partsAtOnce = 4

interface Place {
  readonly Bucket: string
  readonly Key: string
}

/** Writes a file as an object. Each request carries its SHA-256, which the server checks, and can be repeated. */
export async function uploadFile(client: S3Client, place: Place, path: string, digest: Digest): Promise<void> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    if (size > partBytes) return await uploadParts(client, place, file, size)
    const checksum = Buffer.from(digest, 'hex').toString('base64')
    const body = await readFile(path)
    await client.send(new PutObjectCommand({ ...place, Body: body, ChecksumSHA256: checksum }))
  } finally {
    await file.close()
  }
}

async function uploadParts(client: S3Client, place: Place, file: FileHandle, size: number): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...place, ChecksumAlgorithm: 'SHA256' }))
  const upload = { ...place, UploadId }
  const each = Math.max(partBytes, Math.ceil(size / mostParts / mebibyte) * mebibyte)
  const count = Math.ceil(size / each)
  const parts = new Array<CompletedPart>(count)
  let next = 0
  const lane = async () => {
    while (next < count) {
      const at = next++
      parts[at] = await uploadPart(client, upload, file, at, Math.min(each, size - at * each), at * each)
    }
  }
  try {
    await allOrFirstError(Array.from({ length: Math.min(partsAtOnce, count) }, lane))
  } catch (error) {
    // Parts of an upload that is not aborted would be kept, and cost money, forever. If aborting fails, gc will find them.
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined)
    throw error
  }
  try {
    await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }))
  } catch (error) {
    // The upload may have been completed while the answer was lost: then the server no longer knows it.
    if ((error as Error).name !== 'NoSuchUpload') throw error
    const found = await client.send(new HeadObjectCommand(place))
    if (found.ContentLength !== size) throw error
  }
}

/** Waits for all, so that nothing continues behind the caller's back, then throws the first error. */
async function allOrFirstError(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

async function uploadPart(
  client: S3Client,
  upload: Place & { UploadId: string | undefined },
  file: FileHandle,
  at: number,
  bytes: number,
  start: number,
): Promise<CompletedPart> {
  const body = Buffer.alloc(bytes)
  for (let read = 0; read < bytes;) {
    const { bytesRead } = await file.read(body, read, bytes - read, start + read)
    if (bytesRead === 0) throw new Error('Internal error: a file became shorter while it was stored')
    read += bytesRead
  }
  const checksum = createHash('sha256').update(body).digest('base64')
  const part = { ...upload, PartNumber: at + 1, Body: body, ChecksumSHA256: checksum }
  const { ETag } = await client.send(new UploadPartCommand(part))
  return { PartNumber: at + 1, ETag, ChecksumSHA256: checksum }
}
