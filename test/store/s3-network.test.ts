import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../api/index.js'
import { digestBytes, digestJson } from '../../store/digest.js'
import { openStore, type Leftover, type Store } from '../../store/index.js'
import { openClient } from '../../store/s3-client.js'
import { Machine } from './machine.js'
import { Proxy, type Fate } from './proxy.js'
import { S3Server, s3Program } from './s3-server.js'
import { temporaryFolder } from '../temporary-folder.js'

const program = await s3Program()
const why = 'missing' in program ? ` (skipped: ${program.missing})` : ''
const mebibyte = 2 ** 20

describe.skipIf('missing' in program)(`S3 when the network or the server is not well${why}`, () => {
  let server: S3Server
  let proxy: Proxy | undefined
  let count = 0
  let location: string
  const environment = { ...process.env }
  beforeAll(async () => {
    server = await S3Server.start((program as { path: string }).path)
  })
  afterAll(() => server.stop())
  beforeEach(() => {
    location = `s3://${server.bucket}/network-${count++}`
    process.env = { ...environment, ...server.environment() }
    elsewhere()
  })
  afterEach(() => proxy?.close())

  /** Another machine: nothing is cached. */
  const elsewhere = () => {
    const home = temporaryFolder('machine')
    Object.assign(process.env, { XDG_CACHE_HOME: join(home, 'cache'), XDG_STATE_HOME: join(home, 'state') })
  }

  /** Opens the store through a network where requests meet a fate. */
  const through = async (fateOf: (request: IncomingMessage) => Fate | Promise<Fate>): Promise<Store> => {
    proxy = await Proxy.listen(server.port, fateOf)
    process.env.AWS_ENDPOINT_URL = proxy.endpoint
    elsewhere()
    return openStore(location)
  }

  const isPart = ({ method, url = '' }: IncomingMessage) => method === 'PUT' && url.includes('partNumber=')
  const isRead = ({ method, url = '' }: IncomingMessage) => method === 'GET' && url.includes('/artifacts/')

  /** How opening the store, or what follows, fails. */
  const failureOf = async (work: (store: Store) => Promise<unknown>): Promise<Failure> => {
    const error: unknown = await openStore(location)
      .then(work)
      .catch((thrown: unknown) => thrown)
    if (!(error instanceof Failure)) throw new Error(`no failure: ${String(error)}`)
    return error
  }

  test('an upload goes on when the server restarts in the middle of it', async () => {
    let parts = 0
    const store = await through(async (request) => {
      if (!isPart(request) || ++parts !== 3) return {}
      await server.crash()
      await server.resume()
      return { lost: true }
    })
    const data = Buffer.alloc(70 * mebibyte, 'what must not be lost ')
    const ref = await store.putBytes('bytes', data)
    expect(parts).toBeGreaterThan(5)
    expect(await store.verify(ref.digest)).toBe('sound')
  })

  test('an upload is complete though the answer to its completion was lost', async () => {
    let completions = 0
    const isCompletion = ({ method, url = '' }: IncomingMessage) => method === 'POST' && url.includes('uploadId=')
    const store = await through((request) => {
      if (!isCompletion(request)) return {}
      // Asked again, a server may know nothing of the upload any more.
      return ++completions === 1 ? { cutAfter: 0 } : { refused: [404, 'NoSuchUpload'] }
    })
    const ref = await store.putBytes('bytes', Buffer.alloc(17 * mebibyte, 'parts '))
    expect(completions).toBe(2)
    expect(await store.verify(ref.digest)).toBe('sound')
  })

  test('a download that breaks off goes on from where it was', async () => {
    const data = Buffer.alloc(8 * mebibyte, 'what is read from afar ')
    const ref = await (await openStore(location)).putBytes('bytes', data)
    let reads = 0
    const store = await through((request) => (isRead(request) && ++reads <= 2 ? { cutAfter: 3 * mebibyte } : {}))
    expect(digestBytes(readFileSync(await store.path(ref)))).toBe(ref.digest)
    const from = proxy!.requests
      .filter(isRead)
      .map(({ headers }) => Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0))
    expect(from).toHaveLength(3)
    expect(from[0]).toBe(0)
    expect(from[1]).toBeGreaterThan(0)
    expect(from[2]).toBeGreaterThan(from[1]!)
  })

  test('a slow store is only slow', async () => {
    // The slowness is what is tested: some milliseconds before each part.
    const store = await through(() => ({ pace: () => new Promise((resolve) => setTimeout(resolve, 3)) }))
    const data = Buffer.alloc(4 * mebibyte, 'drop by drop ')
    const ref = await store.putBytes('bytes', data)
    elsewhere()
    expect(digestBytes(readFileSync(await (await openStore(location)).path(ref)))).toBe(ref.digest)
  })

  test('a request that is lost is sent again', async () => {
    let requests = 0
    const store = await through(() => (++requests % 2 === 0 ? { lost: true } : {}))
    for (let i = 0; i < 5; i++) await store.putDocument(`runs/${i}`, { i })
    expect(await store.listDocuments('runs')).toHaveLength(5)
  })

  test('a server that may only be read is read, and refuses to be written in words', async () => {
    const ref = await (await openStore(location)).putJson('table', { a: 1 })
    await server.crash()
    await server.resume('--readonly')
    try {
      elsewhere()
      const store = await openStore(location)
      expect(await store.readJson(ref)).toEqual({ a: 1 })
      const failure = await failureOf((own) => own.putJson('table', { a: 2 }))
      expect([failure.kind, failure.message]).toEqual([
        'NoServer',
        `${server.endpoint} refuses access to ${location} (AccessDenied)`,
      ])
    } finally {
      await server.crash()
      await server.resume()
    }
  })

  const read = (store: Store) => store.getRecord(digestJson('key'))
  const secret = 'not-the-secret-of-the-server'
  const broken: [string, () => void, RegExp][] = [
    [
      'no server answers',
      () => (process.env.AWS_ENDPOINT_URL = 'http://127.0.0.1:1'),
      /does not answer: .*ECONNREFUSED/,
    ],
    [
      'the server has no name',
      () => (process.env.AWS_ENDPOINT_URL = 'http://none.invalid'),
      /does not answer: .*(ENOTFOUND|EAI_AGAIN)/,
    ],
    ['there is no bucket', () => (location = 's3://no-such-bucket/x'), /There is no bucket for s3:\/\/no-such-bucket/],
    [
      'the secret is wrong',
      () => (process.env.AWS_SECRET_ACCESS_KEY = secret),
      /refuses access .*SignatureDoesNotMatch/,
    ],
    ['the key is not known', () => (process.env.AWS_ACCESS_KEY_ID = 'nobody'), /refuses access/],
    ['there are no credentials', () => void delete process.env.AWS_ACCESS_KEY_ID, /There are no credentials/],
  ]
  for (const [what, spoil, message] of broken)
    test(`when ${what} the failure says so, with a remedy and without secrets`, async () => {
      spoil()
      const failure = await failureOf(read)
      expect(failure.kind).toBe('NoServer')
      expect(failure.message).toMatch(message)
      expect(failure.remedy).toMatch(/\.$/)
      expect(`${failure.message} ${failure.remedy}`).not.toMatch(/secret/)
    })

  test('a place that is none is refused', async () => {
    location = 's3://Not_A_Bucket'
    expect((await failureOf(read)).kind).toBe('InvalidInput')
  })

  test('a command without a store ends with 5', async () => {
    const machine = new Machine({ AWS_ENDPOINT_URL: 'http://127.0.0.1:1' })
    const { code, stdout, stderr } = await machine.puzzleflow('list', '--store', location)
    expect([code, stdout]).toEqual([5, ''])
    expect(stderr).toContain('does not answer')
  })

  test('an upload that a killed process has begun is told as a leftover, and can be given up', async () => {
    const store = await openStore(location)
    const place = { Bucket: server.bucket, Key: `${location.split('/').at(-1)}/artifacts/ab/abandoned` }
    await (await openClient(3)).client.send(new CreateMultipartUploadCommand(place))
    const uploads = async () => {
      const found: Leftover[] = []
      for await (const leftover of store.leftovers()) found.push(leftover)
      return found
    }
    const [upload, ...others] = await uploads()
    expect([upload?.kind, others]).toEqual(['temporary', []])
    await store.removeLeftover(upload!)
    expect(await uploads()).toEqual([])
  })
})
