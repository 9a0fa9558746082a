import { existsSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Failure } from '../../../errors/failure.js'
import { canonicalJson, digestBytes, digestJson, type Digest } from '../../../store/digest.js'
import { parseIdentity } from '../../../store/identity.js'
import { readRecord, recordText } from '../../../store/record.js'
import { Bucket } from '../../../store/s3-bucket.js'
import { S3Checkpoints } from '../../../store/s3-checkpoints.js'
import type { TaskRecord } from '../../../store/store.js'
import type { Choices } from '../choices.js'
import { jsonText } from '../mutate-json.js'
import { changedText } from '../mutate-text.js'
import { oddNames } from '../odd-values.js'
import { agree, holds, WrongAcceptance, type Files, type Reader } from '../reader.js'

const key = digestJson('key')
const record: TaskRecord = {
  ...{ version: 1, key, seconds: 1.5, finishedAt: '2026-01-01T00:00:00Z', host: 'host' },
  outputs: {
    files: { a: { digest: digestBytes('a'), bytes: 1, kind: 'json' } },
    values: { a: 1, b: [1, { c: null }] },
  },
  components: { stage: 'a', kind: 'task', task: 'b' },
}

/** What a server of S3 answers: to each request in turn, the last again and again. */
interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

/** More requests than this for one question: it goes on for ever. */
const mostRequests = 200

/** A server on loopback whose answers are what an input says. */
class Answers {
  #answers: readonly Answer[] = []
  #requests = 0
  #bucket: Promise<Bucket> | undefined

  set(answers: readonly Answer[]): void {
    this.#answers = answers
    this.#requests = 0
  }

  get endless(): boolean {
    return this.#requests > mostRequests
  }

  /** Starts when it is first asked for. */
  bucket(): Promise<Bucket> {
    return (this.#bucket ??= this.#open())
  }

  async #open(): Promise<Bucket> {
    const server = createServer((_, response) => this.#answer(response))
    server.unref()
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
    const { port } = server.address() as AddressInfo
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      ...{ AWS_ACCESS_KEY_ID: 'fuzz', AWS_SECRET_ACCESS_KEY: 'fuzz', AWS_REGION: 'us-east-1' },
      ...{ AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_EC2_METADATA_DISABLED: 'true' },
    })
    return Bucket.open('s3://fuzz-bucket/store', 1)
  }

  #answer(response: ServerResponse): void {
    const { status, headers, body } = this.#answers[Math.min(this.#requests++, this.#answers.length - 1)]!
    if (this.endless) return void response.writeHead(404).end()
    try {
      response.writeHead(status, headers)
    } catch {
      // Node refuses headers with control characters.
      response.writeHead(status)
    }
    response.end(body)
  }
}

const item = (name: string) =>
  `<Contents><Key>store/${name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>3</Size></Contents>`
const list = (more: string) =>
  `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>fuzz-bucket</Name>${item(`records/ab/${key}.json`)}${item('scratch/x')}${more}</ListBucketResult>`
const uploads = (more: string) =>
  `<ListMultipartUploadsResult><Bucket>b</Bucket><Upload><Key>store/artifacts/x</Key><UploadId>1</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>${more}</ListMultipartUploadsResult>`
const markers = '<NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>b</NextUploadIdMarker>'
const bodies: readonly string[] = [
  list('<IsTruncated>false</IsTruncated>'),
  list('<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>'),
  uploads('<IsTruncated>false</IsTruncated>'),
  uploads(`<IsTruncated>true</IsTruncated>${markers}`),
  '<Error><Code>AccessDenied</Code><Message>no</Message></Error>',
  '<!DOCTYPE a [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><ListBucketResult><Name>&b;&b;</Name></ListBucketResult>',
]

function answer(c: Choices): Answer {
  const body = c.of<() => string>([
    () => changedText(c.of(bodies), c),
    () => c.of(bodies),
    () => jsonText(JSON.parse(recordText(record)), c),
    () => '<a>'.repeat(c.size(20_000)),
    () =>
      `<ListBucketResult>${`<Contents><Key>${c.of(oddNames)}</Key></Contents>`.repeat(c.size(3000))}</ListBucketResult>`,
    () =>
      changedText(c.of(bodies), c).replace(/2026-[^<]*|>3</, () => c.of(['>-1<', '>1e999<', '9999-99-99', '', '>x<'])),
  ])()
  const odd = c.chance(0.3)
  return {
    status: c.chance(0.8)
      ? 200
      : c.of([201, 204, 206, 301, 304, 307, 400, 401, 403, 404, 409, 412, 416, 429, 499, 500, 503, 507]),
    headers: {
      etag: odd ? c.of(['', '"', 'x'.repeat(5000)]) : '"e"',
      'last-modified': odd
        ? c.of(['', 'yesterday', '0', 'Thu, 99 Foo 2026 00:00:00 GMT'])
        : 'Thu, 01 Jan 2026 00:00:00 GMT',
      ...(c.chance(0.1) && {
        'content-type': c.of(['text/html', '']),
        location: c.of(['/', 'http://127.0.0.1:9/', 'x']),
      }),
    },
    body,
  }
}

/** Reads what follows, and ends where it does not. */
async function count(items: AsyncIterable<object>, answers: Answers): Promise<object[]> {
  const all: object[] = []
  for await (const one of items) {
    all.push(one)
    if (answers.endless) throw new WrongAcceptance('a list without an end')
  }
  return all
}

const manifest = (names: readonly string[]) => ({
  version: 1,
  files: Object.fromEntries(names.map((name) => [name, digestBytes('abc')])),
})

/** Readers of records, and of what a store in S3 answers. */
export function storeReaders(files: Files): readonly Reader[] {
  const answers = new Answers()
  return [
    {
      name: 'records',
      make(c) {
        const written = JSON.parse(recordText(record)) as object
        const text = c.chance(0.1) ? JSON.stringify(written) : jsonText(written, c)
        return {
          bytes: Buffer.byteLength(text),
          read() {
            const read = readRecord(text, key)
            if (read === undefined) throw new Failure('InvalidInput', 'a damaged record')
            const { digest } = JSON.parse(text) as { digest?: unknown }
            holds(digestJson(read) === digest, 'a record is what was written')
            agree(canonicalJson(readRecord(recordText(read), key)), canonicalJson(read), 'a record, written again')
          },
        }
      },
    },
    {
      name: 'store.json',
      make(c) {
        const text = jsonText({ version: 1, id: '0123456789ab', place: { host: 'h', path: '/a' } }, c)
        return {
          bytes: text.length,
          read: () =>
            holds(/^[0-9a-f]{12}$/.test(parseIdentity(text, 'store.json').id), 'an id that can stand in paths'),
        }
      },
    },
    {
      name: 'S3 answers',
      make(c) {
        const given = Array.from({ length: 1 + c.below(3) }, () => answer(c))
        const question = c.of(['text', 'head', 'list', 'list', 'uploads', 'put', 'copy', 'remove'])
        return {
          bytes: given.reduce((n, { body }) => n + body.length, 0),
          async read() {
            const bucket = await answers.bucket()
            answers.set(given)
            const head = (found: { bytes: number; modified: number; etag: string } | undefined) => {
              if (found)
                holds(
                  Number.isFinite(found.modified) && found.bytes >= 0 && typeof found.etag === 'string',
                  'an object’s head',
                )
            }
            if (question === 'text') {
              const found = await bucket.text('x')
              head(found)
              if (found) readRecord(found.text, key)
            } else if (question === 'head') head(await bucket.head('x'))
            else if (question === 'put') await bucket.put('x', 'abc', { ifNew: c.chance(0.5) })
            else if (question === 'copy') await bucket.copy('x', 'y')
            else if (question === 'remove') await bucket.remove('x')
            else if (question === 'uploads') await count(bucket.uploads(), answers)
            else for (const found of await count(bucket.list('records/'), answers)) head(found as never)
            if (answers.endless) throw new WrongAcceptance('more and more requests')
          },
        }
      },
    },
    {
      name: 'checkpoints in S3',
      make(c) {
        const names = c.chance(0.5)
          ? ['state', 'part/weights']
          : ['state', c.of([...oddNames, 'a/../../x', './a', 'a//b', 'state/x', 'a/', '.'])]
        const text = jsonText(manifest(names), c)
        const headers = { etag: '"e"', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }
        const given = [text, 'abc'].map((body) => ({ status: 200, headers, body }))
        return {
          bytes: text.length,
          async read() {
            const bucket = await answers.bucket()
            answers.set(given)
            const root = files.path('s3/checkpoints')
            const around = () => readdirSync(files.path('s3')).concat(existsSync(files.path('x')) ? ['x'] : [])
            rmSync(files.path('s3'), { recursive: true, force: true })
            const checkpoints = new S3Checkpoints(bucket, root)
            await checkpoints.open(key)
            await checkpoints.fetch(key)
            agree(around(), ['checkpoints'], 'nothing is written outside of the folder')
            const there = readdirSync(root)
            holds(
              there.every((name) => name === key || name === `${key}.json`),
              `what lies beside: ${there.join()}`,
            )
            // Read or passed over: which of them shows in the folder.
            if (!there.includes(`${key}.json` as Digest)) throw new Failure('InvalidInput', 'a damaged manifest')
          },
        }
      },
    },
  ]
}
