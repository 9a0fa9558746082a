import { cpSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import { putSequences, readSequences } from '../../data/sequences.js'
import { readParquetRows } from '../../data/parquet-rows.js'
import { uniform } from '../../tensor/random.js'
import { SequenceFile } from '../../data/sequence-file.js'
import { readLines, readText } from '../../data/text-files.js'
import { Search } from '../stages/run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { textsOf, tinySpec, tinyWorld } from '../stages/world.js'

const world = await tinyWorld({ eos_token_id: 2 })
const parquet = join(import.meta.dirname, 'parquet')

/** What `prepare` and its failure say of a file of training data, its bytes or the name of one in parquet/. */
async function prepared(
  name: string,
  content: string | Uint8Array | undefined,
  prepare: JsonObject = {},
  column?: string,
) {
  const folder = temporaryFolder()
  cpSync(world.folder, folder, { recursive: true })
  const file = join(folder, 'data', name)
  if (content === undefined) cpSync(join(parquet, name), file)
  else writeFileSync(file, content)
  const train = { path: `./data/${name}`, ...(column !== undefined && { column }) }
  const data = { train, validate: { path: './data/validate.jsonl' }, sequenceLength: 4 }
  const open = () => Search.open(folder, tinySpec({ data, stages: { prepare } }))
  const sequences = async () => {
    const search = await open()
    return textsOf(await readSequences(search.environment([]), (await search.outputs('prepare')).files.train!))
  }
  return {
    file,
    folder,
    open,
    sequences,
    sorted: async () => (await sequences()).map((row) => row.join(' ')).sort(),
    failure: async () => {
      const search = await open()
      return search.outputs('prepare').then(
        () => undefined,
        (error: unknown) => error,
      )
    },
  }
}
const chat = (folder: string, template: string) => writeFileSync(join(folder, 'parent/chat_template.jinja'), template)
const turns =
  "{{ bos_token }}{% for m in messages %} {{ m.content }}{% if m.role == 'assistant' %} </s>{% endif %}{% endfor %}"
const lines = (...values: unknown[]) => values.map((value) => JSON.stringify(value)).join('\n')

const three = ['{"text": "w0 w1"}', '{"text": "w2 w3 w4 w5 w6 w7"}', '{"text": "w8 w9 w10 w11"}'].join('\n')
const ofThree = ['1 12 13 14', '1 4 5', '1 6 7 8', '1 9 10 11']

test('a packed file of JSON lines is read as the file itself, in several members too', async () => {
  expect(await (await prepared('a.jsonl.gz', gzipSync(three))).sorted()).toEqual(ofThree)
  const members = Buffer.concat([gzipSync(three.slice(0, 20)), gzipSync(three.slice(20))])
  expect(await (await prepared('a.jsonl.gz', members)).sorted()).toEqual(ofThree)
})

test('a packed text is one document', async () => {
  expect(await (await prepared('a.txt.gz', gzipSync('w0 w1\nw2 w3 w4 w5 w6\n'))).sorted()).toEqual([
    '1 4 5 6',
    '1 7 8 9',
  ])
})

test('lines may end with a carriage return, and a file begin with a byte order mark', async () => {
  expect(await (await prepared('a.jsonl', `\ufeff${three.replaceAll('\n', '\r\n')}\r\n`)).sorted()).toEqual(ofThree)
})

test.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'])(
  'texts of a Parquet file packed by %s',
  async (codec) => {
    expect(await (await prepared(`text-${codec}.parquet`, undefined)).sorted()).toEqual(ofThree)
  },
)

test('a Parquet file of several row groups gives its rows in order', async () => {
  expect(await (await prepared('groups.parquet', undefined)).sorted()).toEqual(ofThree)
})

test.each(['int64', 'uint16'])('token ids of a Parquet file in %s', async (type) => {
  expect(await (await prepared(`ids-${type}.parquet`, undefined)).sorted()).toEqual(['1 4 5', '7 49 0 2', '9 9'])
})

test('conversations go through the chat template, which writes the special tokens; rows as lines', async () => {
  const conversation = [
    { role: 'user', content: 'w0 w1' },
    { role: 'assistant', content: 'w2' },
  ]
  const text = lines({ messages: conversation }, { messages: [{ role: 'user', content: 'w3' }] })
  for (const [name, content] of [
    ['a.jsonl', `${text}\n{"text": "w5 w6 w7"}`],
    ['messages.parquet', undefined],
  ] as const) {
    const data = await prepared(name, content, { packing: 'continuous' })
    chat(data.folder, turns)
    expect(await data.sorted()).toEqual(
      content ? ['1 10 11 2', '1 2 1 7', '1 2 1 9', '1 4 5 6'] : ['1 2 1 7', '1 4 5 6'],
    )
  }
})

test('the document may stand in a field or column of another name, whatever it is', async () => {
  expect(await (await prepared('content.parquet', undefined, {}, 'content')).sorted()).toEqual(ofThree)
  const text = lines({ turns: [{ role: 'user', content: 'w0 w1 w2' }] }, { turns: [7, 8, 9, 10] }, { turns: 'w3 w4' })
  const data = await prepared('a.jsonl', text, {}, 'turns')
  chat(data.folder, turns)
  expect(await data.sorted()).toEqual(['1 4 5 6', '1 7 8', '7 8 9 10'])
})

test('by choice documents are packed one after another with an end token between them', async () => {
  const ids = [[4, 5], [6, 7, 8, 9, 10, 2], [], [11], [12, 13]].map((input_ids) => ({ input_ids }))
  const data = await prepared('a.jsonl', lines(...ids), { packing: 'continuous' })
  expect(await data.sorted()).toEqual(['13 2', '2 11 2 12', '4 5 2 6', '7 8 9 10'])
})

test('no more sequences are taken than are wanted, from the beginning of the file, before they are shuffled', async () => {
  expect(await (await prepared('a.jsonl', `${three}\nnot read`, { maxSequences: 3 })).sorted()).toEqual([
    '1 4 5',
    '1 6 7 8',
    '1 9 10 11',
  ])
})

test('what is stored is what would be stored of it at once', async () => {
  const search = await (await prepared('a.jsonl', three)).open()
  const { train } = (await search.outputs('prepare')).files
  const environment = search.environment([])
  const again = await putSequences(
    environment,
    join(temporaryFolder(), 'again'),
    await readSequences(environment, train!),
  )
  expect(again.digest).toBe(train!.digest)
})

test.each<[string, string, string | Uint8Array | undefined, string]>([
  [
    'a gzip file that ends too early',
    'a.jsonl.gz',
    gzipSync(three).subarray(0, 40),
    ': is not a whole gzip file: unexpected end of file',
  ],
  [
    'a gzip file with a wrong sum',
    'a.txt.gz',
    new Uint8Array(gzipSync(three)).fill(1, -8, -4),
    ': is not a whole gzip file: incorrect data check',
  ],
  [
    'a line that is not UTF-8',
    'a.jsonl',
    Buffer.concat([Buffer.from(`${three}\n{"text": "`), Buffer.from([0xff, 0xfe])]),
    ':4: is not UTF-8 at byte 84',
  ],
  ['a text that is not UTF-8', 'a.txt', Buffer.from([0x77, 0xff]), ':1: is not UTF-8 at byte 1'],
  ['a text that ends within a character', 'a.txt', Buffer.from([0x77, 0xe2, 0x82]), ':1: is not UTF-8 at byte 1'],
  [
    'messages that are no list',
    'a.jsonl',
    lines({ messages: 'hello' }),
    ':1: has "messages" that are a text, not a list of messages',
  ],
  [
    'a message without text',
    'a.jsonl',
    lines({ text: 'w0' }, { messages: [{ role: 'user', content: 7 }] }),
    ':2: has a message (number 1) without a "content" that is text',
  ],
  [
    'no chat template',
    'a.jsonl',
    lines({ text: 'w0' }, { messages: [{ role: 'user', content: 'w0' }] }),
    'a.jsonl:2: ',
  ],
  [
    'a Parquet file without its column',
    'content.parquet',
    undefined,
    ': has no "text", "input_ids", "messages", "conversations", or "prompt" with "completion": it has "content"',
  ],
  ['a Parquet file without rows', 'empty.parquet', undefined, ' holds 0 tokens: fewer than two sequences of 4'],
  [
    'a row with an id outside of the vocabulary',
    'large-id.parquet',
    undefined,
    ', row 2: has 50 in its "input_ids" (number 2), which is not a token id of the model',
  ],
  ['a Parquet file whose text is not UTF-8', 'latin.parquet', undefined, ': rows 1 to 2: a text is not UTF-8'],
  ['a file that is not Parquet', 'a.parquet', three, ': is not a Parquet file, although its name says so'],
  ['an empty Parquet file', 'b.parquet', '', ': is not a Parquet file, although its name says so'],
])('%s is refused with file, place and remedy', async (_, name, content, message) => {
  const { failure, file } = await prepared(name, content)
  const error = await failure()
  expect(error).toMatchObject({ kind: 'InvalidInput', file, remedy: expect.stringMatching(/\w/) as string })
  expect((error as Error).message).toContain(message)
  expect((error as Error).message).toContain(file)
})

test('a Parquet file that is cut is refused', async () => {
  const whole = readFileSync(join(parquet, 'text-snappy.parquet'))
  const { failure, file } = await prepared('text-snappy.parquet', undefined)
  for (const length of [3, 11, 400, whole.length - 1]) {
    truncateSync(file, length)
    expect(await failure()).toMatchObject({ kind: 'InvalidInput', file })
    writeFileSync(file, whole)
  }
})

test('a Parquet file that is damaged somewhere gives rows or is refused: nothing hangs, and no other error comes', async () => {
  const file = join(temporaryFolder(), 'damaged.parquet')
  const random = uniform(7)
  const refused = { count: 0 }
  for (const name of ['text-snappy', 'messages', 'groups', 'ids-int64']) {
    const whole = readFileSync(join(parquet, `${name}.parquet`))
    for (let n = 0; n < 150; n++) {
      const damaged = Buffer.from(whole)
      for (let i = 0; i < 1 + (n % 3); i++) damaged[Math.floor(random() * whole.length)] = Math.floor(random() * 256)
      writeFileSync(file, damaged)
      try {
        let rows = 0
        for await (const { fields } of readParquetRows(file, ['text', 'input_ids', 'messages'], [], (bad) =>
          bad('nothing'),
        ))
          rows += Object.keys(fields).length > 0 ? 1 : 0
        expect(rows).toBeLessThan(10)
      } catch (error) {
        expect(error).toMatchObject({ kind: 'InvalidInput', file })
        refused.count++
      }
    }
  }
  expect(refused.count).toBeGreaterThan(200)
})

test('a row group that is too large to hold is refused before it is read', async () => {
  const { failure, file } = await prepared('huge.parquet', undefined)
  expect(await failure()).toMatchObject({
    kind: 'InvalidInput',
    file,
    message: expect.stringMatching(/: rows 1 to 2: 12\d{8} bytes in one row group, more than 1073741824$/) as string,
    remedy: 'Write the file with smaller row groups.',
  })
})

test('messages that the chat template refuses are named by line', async () => {
  const { failure, file, folder } = await prepared(
    'a.jsonl',
    lines({ text: 'w0' }, { messages: [{ role: 'x', content: 'w0' }] }),
  )
  chat(folder, '{{ raise_exception("Unknown role") }}')
  expect(await failure()).toMatchObject({
    file,
    message: `${file}:2: ${join(folder, 'parent/chat_template.jinja')}: the chat template refuses the messages: Unknown role`,
    remedy: 'Give messages in an order and with roles that the model knows.',
  })
})

test('a text has no fields', async () => {
  const { failure } = await prepared('a.txt', 'w0', {}, 'content')
  expect(await failure()).toMatchObject({
    message: expect.stringMatching(/: is read as one text, and has no "content"$/) as string,
  })
})

test('a long text is divided after a line, a space or a whole character, and nothing of it is lost', async () => {
  const file = join(temporaryFolder(), 'a.txt')
  const divided = async (text: string, most: number) => {
    writeFileSync(file, text)
    const parts: string[] = []
    for await (const part of readText(file, most)) parts.push(part)
    expect(parts.join('')).toBe(text)
    return parts
  }
  expect(await divided('ab cd\nef gh ij\n', 8)).toEqual(['ab cd\n', 'ef gh ', 'ij\n'])
  expect(await divided('abcdefgh', 3)).toEqual(['abc', 'def', 'gh'])
  expect(await divided('ab😀😀', 3)).toEqual(['ab', '😀', '😀'])
  expect(await divided('', 3)).toEqual([''])
  const long = 'a line of some words\n'.repeat(20_000)
  expect((await divided(long, 100_000)).every((part) => part.length <= 100_000 && part.endsWith('\n'))).toBe(true)
})

test('lines over many pieces of a file are whole, and one without end is refused', async () => {
  const file = join(temporaryFolder(), 'a.jsonl')
  const read = async () => {
    const found: string[] = []
    for await (const { text } of readLines(file, 'remedy')) found.push(text)
    return found
  }
  const long = ['é'.repeat(100_000), '', 'x'.repeat(200_000)]
  writeFileSync(file, long.join('\n'))
  expect(await read()).toEqual(long)
  writeFileSync(file, Buffer.alloc(2 ** 26 + 2 ** 17, 'x'))
  await expect(readLines(file, 'remedy').next()).rejects.toThrow(`${file}:1: is longer than 67108864 characters`)
})

test('a gzip file that holds the same line for ever is refused before all of it is read', async () => {
  const file = join(temporaryFolder(), 'a.txt.gz')
  writeFileSync(file, gzipSync(Buffer.alloc(2 ** 24, `${'the same line '.repeat(100)}\n`)))
  const packed = statSync(file).size
  let read = 0
  const reading = (async () => {
    for await (const { text } of readLines(file, 'remedy')) read += text.length + 1
  })()
  await expect(reading).rejects.toThrow(/a\.txt\.gz: unpacks to more than \d+ bytes, from \d+$/)
  expect(packed).toBeLessThan(2 ** 20)
  expect(read).toBeLessThan(200 * packed + 2 ** 17)
})

test('the same bytes under the name of a table are another input', async () => {
  const text = 'text\nw0 w1 w2\nw3 w4 w5\nw6 w7 w8 w9\n'
  const keyOf = async (name: string) =>
    (await (await prepared(name, text)).open()).key('prepare', { id: 'prepare', label: '', params: {}, inputs: {} })
  const [txt, md, csv, packed, tsv] = await Promise.all(['a.txt', 'a.md', 'a.csv', 'a.CSV.gz', 'a.tsv'].map(keyOf))
  expect(md).toBe(txt)
  expect(packed).toBe(csv)
  expect(new Set([txt, csv, tsv]).size).toBe(3)
})

test('what a record has beside its messages reaches the chat template', async () => {
  const record = {
    messages: [{ role: 'user', content: 'w0' }],
    tools: [{ name: 'w1' }],
    documents: [{ text: 'w2' }],
    chat_template_kwargs: { enable_thinking: 'w3' },
  }
  const data = await prepared('a.jsonl', lines(record, record))
  chat(
    data.folder,
    '{{ messages[0].content }} {{ tools[0].name }} {{ documents[0].text }} {{ enable_thinking }}{# nothing more #}',
  )
  expect(await data.sorted()).toEqual(['4 5 6 7', '4 5 6 7'])
})

test('a message of a role that the chat template passes over is refused', async () => {
  const record = {
    messages: [
      { role: 'user', content: 'w0' },
      { role: 'critic', content: 'w1' },
    ],
  }
  const { failure, file, folder } = await prepared('a.jsonl', lines(record))
  chat(folder, "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}")
  expect(await failure()).toMatchObject({
    message: `${file}:1: has a message (number 2) of the role "critic", which the chat template leaves out`,
    remedy: 'Rename the role to one that the model knows: system, user, assistant or tool.',
  })
})

test.each(['documents', 'continuous'])('null and empty records count nowhere, packed as %s', async (packing) => {
  const [without, ...rest] = await Promise.all(
    [three, three.replace('\n', '\n{"text": null}\n{"text": ""}\n{"input_ids": []}\n')].map(async (text) =>
      (await prepared('a.jsonl', text, { packing })).sorted(),
    ),
  )
  expect(rest).toEqual([without])
})

test('a file of more sequences than memory can list is refused', () => {
  const file = new SequenceFile(join(temporaryFolder('sequences'), 'rows'), 4, 'train.txt', 2)
  file.add([1, 2])
  file.add([3, 4])
  expect(() => file.add([5, 6])).toThrow('train.txt: has more than 2 sequences of 4 tokens')
  file.close()
})
