import { Failure } from '../errors/failure.js'
import { newId } from './identity.js'
import { Bucket } from './s3-bucket.js'

/** Attempts for each request: somebody waits for the answer. */
const attempts = 3

/**
 * Does to a small object what a search does to its own: writes it, writes it again on condition that it is new, reads, lists and
 * removes it. Nothing is left.
 * @param location  `s3://bucket/prefix`
 * @throws Failure that says which of these the bucket does not do, with the remedy
 */
export async function probeBucket(location: string): Promise<void> {
  const bucket = await Bucket.open(location, attempts)
  const name = `doctor/${newId()}`
  const refuse = (message: string, remedy: string) => new Failure('NoServer', message, { remedy })
  await step('An object cannot be written', () => bucket.put(name, name, { ifNew: true }))
  try {
    if (await step('An object cannot be written', () => bucket.put(name, name, { ifNew: true })))
      throw refuse(
        `The server of ${location} overwrites an object that was to be written only if new`,
        'Use a server that heeds If-None-Match: without it, workers overwrite each other’s results.',
      )
    const read = await step('An object that was written cannot be read', () => bucket.text(name))
    if (read?.text !== name)
      throw refuse(
        `An object that was written to ${location} ${read ? 'is read back changed' : 'is not found'}`,
        anS3Server,
      )
    if (!(await step('Objects cannot be listed', () => isListed(bucket, name))))
      throw refuse(`An object that was written to ${location} is not listed`, anS3Server)
  } catch (error) {
    // What failed first is what is told.
    await bucket.remove(name).catch(() => undefined)
    throw error
  }
  await step(`The test object ${name} cannot be removed`, () => bucket.remove(name))
}

const anS3Server = 'Check that it is an S3 server whose reads see what was written before.'

async function isListed(bucket: Bucket, name: string): Promise<boolean> {
  for await (const found of bucket.list(name)) if (found.name === name) return true
  return false
}

/** @throws Failure that says what could not be done */
async function step<T>(problem: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const { kind, message, remedy } = error
    throw new Failure(kind, `${problem}: ${message}`, { ...(remedy !== undefined && { remedy }), cause: error })
  }
}
