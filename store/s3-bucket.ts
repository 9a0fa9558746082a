import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { Failure } from '../errors/failure.js'
import { MissingArtifact } from './missing-artifact.js'
import { isMissing, isPrecondition, openClient, parseS3Location, s3Failure, type S3Access } from './s3-client.js'
import { download } from './s3-download.js'
import { uploadFile } from './s3-upload.js'
import type { Digest } from './store.js'

/** An object's metadata. */
export interface ObjectHead {
  readonly bytes: number
  readonly modified: number
  readonly etag: string
}

/** Condition for writing an object. */
export interface Condition {
  /** Only if the object does not exist. */
  readonly ifNew?: boolean
  /** Only if the object has this tag. */
  readonly ifTag?: string
}

/** Largest number of parallel requests when listing or removing many objects. */
const atOnce = 16

/** The objects below a store's prefix, by name. Errors are failures with a remedy. */
export class Bucket {
  private readonly client: S3Client
  private readonly bucket: string
  private readonly prefix: string

  private constructor(
    readonly location: string,
    private readonly access: S3Access,
  ) {
    const { bucket, prefix } = parseS3Location(location)
    this.bucket = bucket
    this.prefix = prefix
    this.client = access.client
  }

  /** Opens a bucket.
   *  @param maxAttempts  attempts for each request. @default 10
   *  @throws Failure InvalidInput for a wrong location or wrong settings, NoServer if S3 cannot be reached */
  static async open(location: string, maxAttempts = 10): Promise<Bucket> {
    parseS3Location(location)
    try {
      return new Bucket(location, await openClient(maxAttempts))
    } catch (error) {
      throw s3Failure(error, location)
    }
  }

  private place = (name: string) => ({ Bucket: this.bucket, Key: this.prefix + name })

  private async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof MissingArtifact) throw error
      throw s3Failure(error, this.location, this.access.endpoint)
    }
  }

  private orMissing<T>(work: () => Promise<T>): Promise<T | undefined> {
    return this.guard(async () => {
      try {
        return await work()
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    })
  }

  head(name: string): Promise<ObjectHead | undefined> {
    return this.orMissing(async () => {
      const found = await this.client.send(new HeadObjectCommand(this.place(name)))
      return {
        bytes: found.ContentLength ?? 0,
        modified: found.LastModified?.getTime() ?? 0,
        etag: found.ETag ?? '',
      }
    })
  }

  /** Reads the text of a small object; undefined if it does not exist. */
  text(name: string): Promise<(ObjectHead & { readonly text: string }) | undefined> {
    return this.orMissing(async () => {
      const found = await this.client.send(new GetObjectCommand(this.place(name)))
      const text = (await found.Body?.transformToString()) ?? ''
      const modified = found.LastModified?.getTime() ?? 0
      return { text, bytes: found.ContentLength ?? 0, modified, etag: found.ETag ?? '' }
    })
  }

  /** Writes a small object. The server checks its SHA-256. @returns false if the condition is not met */
  put(name: string, data: Uint8Array | string, { ifNew, ifTag }: Condition = {}): Promise<boolean> {
    return this.guard(async () => {
      const body = typeof data === 'string' ? Buffer.from(data) : data
      try {
        await this.client.send(
          new PutObjectCommand({
            ...this.place(name),
            Body: body,
            ChecksumSHA256: createHash('sha256').update(body).digest('base64'),
            ...(ifNew ? { IfNoneMatch: '*' } : {}),
            ...(ifTag === undefined ? {} : { IfMatch: ifTag }),
          }),
        )
        return true
      } catch (error) {
        if ((ifNew || ifTag !== undefined) && isPrecondition(error)) return false
        throw error
      }
    })
  }

  /** Writes a file as an object, in parts if it is large. */
  async upload(name: string, path: string, digest: Digest): Promise<void> {
    await this.guard(() => uploadFile(this.client, this.place(name), path, digest))
  }

  /** Reads an object into a file. @returns its SHA-256; undefined if it does not exist */
  download(name: string, path: string): Promise<Digest | undefined> {
    return this.orMissing(() => download(this.client, this.place(name), path))
  }

  /** Reads an object only to compute its SHA-256. */
  digest(name: string): Promise<Digest | undefined> {
    return this.orMissing(() => download(this.client, this.place(name), undefined))
  }

  /** Copies an object within the bucket. @returns false if it does not exist, or is too large for one request */
  async copy(from: string, to: string): Promise<boolean> {
    const source = `${this.bucket}/${this.prefix}${from}`.split('/').map(encodeURIComponent).join('/')
    return this.guard(async () => {
      try {
        await this.client.send(new CopyObjectCommand({ ...this.place(to), CopySource: source }))
        return true
      } catch (error) {
        if (isMissing(error) || (error as Error).name === 'InvalidRequest') return false
        throw error
      }
    })
  }

  async remove(name: string): Promise<void> {
    await this.guard(() => this.client.send(new DeleteObjectCommand(this.place(name))))
  }

  async removeAll(names: readonly string[]): Promise<void> {
    for (let i = 0; i < names.length; i += atOnce)
      await Promise.all(names.slice(i, i + atOnce).map((name) => this.remove(name)))
  }

  async *list(prefix: string): AsyncIterable<ObjectHead & { readonly name: string }> {
    let token: string | undefined
    do {
      const page = await this.guard(() =>
        this.client.send(
          new ListObjectsV2Command({ Bucket: this.bucket, Prefix: this.prefix + prefix, ContinuationToken: token }),
        ),
      )
      for (const { Key, Size = 0, LastModified, ETag = '' } of page.Contents ?? [])
        if (Key !== undefined)
          yield {
            name: Key.slice(this.prefix.length),
            bytes: Size,
            modified: LastModified?.getTime() ?? 0,
            etag: ETag,
          }
      const next = page.IsTruncated ? (page.NextContinuationToken ?? '') : undefined
      if (next === '' || (next !== undefined && next === token)) throw this.endless()
      token = next
    } while (token !== undefined)
  }

  /** Lists multipart uploads that were neither completed nor aborted: those of killed processes. */
  async *uploads(): AsyncIterable<{ readonly name: string; readonly id: string; readonly modified: number }> {
    let at: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {}
    do {
      const page = await this.guard(() =>
        this.client.send(new ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: this.prefix, ...at })),
      )
      for (const { Key, UploadId, Initiated } of page.Uploads ?? [])
        if (Key !== undefined && UploadId !== undefined)
          yield { name: Key.slice(this.prefix.length), id: UploadId, modified: Initiated?.getTime() ?? 0 }
      const next = page.IsTruncated
        ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
        : undefined
      if (next && next.KeyMarker === at.KeyMarker && next.UploadIdMarker === at.UploadIdMarker) throw this.endless()
      at = next
    } while (at)
  }

  private endless = (): Failure =>
    new Failure('NoServer', `${this.location}: the server lists the same page again and again`, {
      remedy: 'Check that it is an S3 server.',
    })

  async abortUpload(name: string, id: string): Promise<void> {
    await this.orMissing(() => this.client.send(new AbortMultipartUploadCommand({ ...this.place(name), UploadId: id })))
  }
}
