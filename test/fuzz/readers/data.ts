import { gunzipSync, gzipSync } from 'node:zlib'
import { lookAt } from '../../../data/data-file.js'
import { readDocuments } from '../../../data/documents.js'
import { readJsonRecords } from '../../../data/json-records.js'
import { readTableRows } from '../../../data/table-rows.js'
import { readLines } from '../../../data/text-files.js'
import type { Choices } from '../choices.js'
import { mutateBytes } from '../mutate-bytes.js'
import { jsonText } from '../mutate-json.js'
import { changedText } from '../mutate-text.js'
import { agree, holds, type Files, type Reader } from '../reader.js'

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

const records: readonly object[] = [
  { text: 'a text', n: 1.5, list: [1, [2], {}], none: null },
  {
    messages: [
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: 'héllo 😀' },
    ],
    tools: null,
  },
  { input_ids: [1, 2, 3], attention_mask: [1, 1, 0] },
  {
    conversations: [
      { from: 'human', value: 'a' },
      { from: 'gpt', value: 'b' },
    ],
  },
  { prompt: 'a', completion: 'b' },
]

/** Records one a line, in a list, or one after another. */
function jsonFile(c: Choices): string {
  const kind = c.of(records)
  const written = Array.from({ length: 1 + c.below(6) }, () =>
    c.chance(0.3)
      ? jsonText(c.chance(0.8) ? kind : c.of(records), c)
      : JSON.stringify(kind, null, c.chance(0.1) ? 2 : 0),
  )
  if (c.chance(0.2)) return `[${written.join(c.of([',', ', \n', ',,']))}]`
  return written.join(c.of(['\n', '\n', '\n\n', ' ', '\r\n', '', ',', '\n\u2028\n'])) + c.of(['\n', ''])
}

/** The values of lines that all are whole objects; undefined if some are not. */
function linesOf(text: string): unknown[] | undefined {
  try {
    const values = text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => JSON.parse(line) as unknown)
    return values.every((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
      ? values
      : undefined
  } catch {
    return undefined
  }
}

/** What bytes unpack to; empty where that is far too much, or they are damaged. */
const unpackedStart = (bytes: Buffer): Buffer => {
  try {
    return gunzipSync(bytes, { maxOutputLength: 2 ** 24 })
  } catch {
    return Buffer.alloc(0)
  }
}

/** Texts that pack well, as those of bombs do, and others. */
const packed = (c: Choices): Buffer =>
  c.of<() => Buffer>([
    () => Buffer.from(jsonFile(c)),
    () => Buffer.from('word\n'.repeat(c.size(400_000))),
    () => Buffer.alloc(c.size(2_000_000), 'a'),
    () => gzipSync(Buffer.alloc(c.size(1_000_000))),
    () => mutateBytes(Buffer.from(jsonFile(c)), c),
  ])()

/** Readers of texts, records and tables. */
export const dataReaders = (files: Files): readonly Reader[] => [
  {
    name: 'JSON lines',
    make(c) {
      const text = c.chance(0.3) ? changedText(jsonFile(c).slice(0, 200_000), c) : jsonFile(c)
      const { path, bytes } = files.write('a.jsonl', text)
      return {
        bytes,
        async read() {
          const read = await all(readJsonRecords(path, 'Mend it.', lookAt(path)))
          for (const { fields, json } of read) agree(fields, JSON.parse(json!), 'a record is what its text says')
          // A byte order mark belongs to no line.
          const lines = linesOf(
            Buffer.from(text)
              .toString()
              .replace(/^\ufeff/, ''),
          )
          if (lines)
            agree(
              read.map(({ fields }) => fields),
              lines,
              'lines',
            )
          const again = files.write('again.jsonl', read.map(({ fields }) => `${JSON.stringify(fields)}\n`).join(''))
          const second = again.bytes === 0 ? [] : await all(readJsonRecords(again.path, 'Mend it.', lookAt(again.path)))
          agree(
            second.map(({ fields }) => fields),
            read.map(({ fields }) => fields),
            'records written again',
          )
        },
      }
    },
  },
  {
    name: 'documents',
    make(c) {
      const text = jsonFile(c)
      const name = c.of(['a.jsonl', 'a.jsonl', 'a.json', 'b.txt', 'b.csv', 'b.tsv', 'noname'])
      const { path, bytes } = files.write(
        `documents/${name}`,
        c.chance(0.6)
          ? text
          : c.chance(0.3)
            ? mutateBytes(Buffer.from(text), c)
            : changedText(text.slice(0, 100_000), c),
      )
      return {
        bytes,
        async read() {
          const column = c.chance(0.8) ? undefined : c.of(['text', 'messages', '__proto__', 'list'])
          for await (const document of readDocuments({ path, ...(column !== undefined && { column }) }, 1000)) {
            if (document.kind === 'text') holds(typeof document.text === 'string' && document.text !== '', 'a text')
            if (document.kind === 'ids')
              holds(
                document.ids.every((id) => Number.isInteger(id) && id >= 0 && id < 1000),
                'ids of the vocabulary',
              )
            if (document.kind === 'messages')
              holds(
                document.messages.every(({ role }) => typeof role === 'string'),
                'messages with roles',
              )
          }
        },
      }
    },
  },
  {
    name: 'gzip',
    make(c) {
      const inside = packed(c)
      const whole = gzipSync(inside, { level: c.of([1, 6, 9]) })
      const many = c.chance(0.1) ? Buffer.concat(Array.from({ length: c.size(50) }, () => whole)) : whole
      const bytes = c.chance(0.5) ? mutateBytes(many, c) : many
      const { path } = files.write('a.jsonl.gz', bytes)
      return {
        bytes: bytes.length,
        async read() {
          let [count, characters] = [0, 0]
          for await (const { text } of readLines(path, 'Mend it.')) {
            count++
            characters += text.length
          }
          const second = unpackedStart(bytes).toString('utf8')
          if (second === '') return
          const lines = second.replace(/^\ufeff/, '').split('\n')
          if (lines.at(-1) === '') lines.pop()
          agree(count, lines.length, 'lines of what it unpacks to')
          agree(
            characters,
            lines.reduce((n, line) => n + line.replace(/\r$/, '').length, 0),
            'characters of it',
          )
        },
      }
    },
  },
  {
    name: 'tables',
    make(c) {
      const delimiter = c.of([',', '\t', ';'])
      const rows = 'text,label\n"a, ""b""\nc",1\nd,2\n'.repeat(c.of([1, 3, 100])).replaceAll(',', delimiter)
      const name = c.of(['a.csv', 'a.tsv'])
      const { path, bytes } = files.write(name, changedText(rows, c))
      return {
        bytes,
        async read() {
          const read = await all(readTableRows(path, 'Mend it.', lookAt(path)))
          const names = Object.keys(read[0]?.fields ?? {})
          for (const { fields } of read) {
            agree(Object.keys(fields), names, 'the columns of each row')
            holds(
              Object.values(fields).every((cell) => typeof cell === 'string'),
              'cells are texts',
            )
          }
          if (read.length === 0) return
          const quoted = (cells: readonly unknown[]) =>
            cells.map((cell) => `"${String(cell).replaceAll('"', '""')}"`).join(',')
          const written = [names, ...read.map(({ fields }) => Object.values(fields))]
            .map((row) => `${quoted(row)}\n`)
            .join('')
          const again = files.write('again.csv', written)
          const second = await all(readTableRows(again.path, 'Mend it.', lookAt(again.path)))
          agree(
            second.map(({ fields }) => fields),
            read.map(({ fields }) => fields),
            'rows written again',
          )
        },
      }
    },
  },
]
