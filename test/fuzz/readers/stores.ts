import { existsSync, readdirSync, rmSync } from 'node:fs'
import { Failure } from '../../../errors/failure.js'
import { canonicalJson, digestBytes, digestJson, type Digest } from '../../../store/digest.js'
import { parseIdentity } from '../../../store/identity.js'
import { readRecord, recordText } from '../../../store/record.js'
import { S3Checkpoints } from '../../../store/s3-checkpoints.js'
import type { TaskRecord } from '../../../store/store.js'
import type { Choices } from '../choices.js'
import { jsonText } from '../mutate-json.js'
import { changedText } from '../mutate-text.js'
import { oddNames } from '../odd-values.js'
import { agree, holds, WrongAcceptance, type Files, type Reader } from '../reader.js'
import { Answers, type Answer } from '../s3-answers.js'

const components = { stage: 'a', kind: 'task', task: 'b' }
const key = digestJson(components)
const record: TaskRecord = {
  ...{ version: 1, key, seconds: 1.5, finishedAt: '2026-01-01T00:00:00Z', host: 'host' },
  outputs: {
    files: { a: { digest: digestBytes('a'), bytes: 1, kind: 'json' } },
    values: { a: 1, b: [1, { c: null }] },
  },
  components,
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
