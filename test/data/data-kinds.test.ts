import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { Failure } from '../../api/index.js'
import { readDocuments, type Document } from '../../data/documents.js'
import { jsonTexts } from '../../data/json-texts.js'
import { temporaryFolder } from '../temporary-folder.js'

/** What a file is read as: texts, token ids, messages with what goes with them; null for what is left out. Else what is said. */
async function read(name: string, content: string | Uint8Array, column?: string): Promise<unknown> {
  const path = join(temporaryFolder(), name)
  writeFileSync(path, content)
  return readPath(path, column)
}

async function readPath(path: string, column?: string): Promise<unknown> {
  const found: unknown[] = []
  try {
    for await (const document of readDocuments({ path, ...(column !== undefined && { column }) }, 50))
      found.push(shown(document))
    return found
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    expect(error).toMatchObject({ kind: 'InvalidInput', file: path, remedy: expect.stringMatching(/\w/) as string })
    return error.message.replaceAll(path, 'FILE')
  }
}

function shown(document: Document): unknown {
  if (document.kind === 'empty') return null
  if (document.kind === 'text') return document.text
  if (document.kind === 'ids') return document.ids
  const { messages, extras } = document
  return Object.keys(extras).length > 0 ? { messages, ...extras } : { messages }
}

const utf16 = (text: string, bigEndian = false): Buffer => {
  const bytes = Buffer.from(`\ufeff${text}`, 'utf16le')
  return bigEndian ? bytes.swap16() : bytes
}
const latin1 = (text: string) => Buffer.from(text, 'latin1')
const hex = (digits: string) => Buffer.concat([Buffer.from(digits, 'hex'), Buffer.alloc(300, 'x')])

const one = '{"text":"a b"}'
const two = `${one}\n{"text":"c"}\n`
const both = ['a b', 'c']
const pretty = '{\n  "text": "a b"\n}\n{\n  "text": "c"\n}\n'
const columns = '"text", "input_ids", "messages", "conversations", or "prompt" with "completion"'
const say = (role: string, content: string) => ({ role, content })
const json = JSON.stringify

test.each<[what: string, name: string, content: string | Uint8Array, right: unknown, column?: string]>([
  // Names and arrangements of JSON.
  ['lines', 'a.jsonl', two, both],
  ['lines under an upper-case name', 'a.JSONL', two, both],
  ['lines as .ndjson', 'a.ndjson', two, both],
  ['lines as .json', 'a.json', two, both],
  ['lines with \\r\\n', 'a.jsonl', two.replaceAll('\n', '\r\n'), both],
  ['a last line without an end', 'a.jsonl', two.trimEnd(), both],
  ['blank lines', 'a.jsonl', `\n\n${two.replace('\n', '\n \t\n\n')}`, both],
  ['no lines', 'a.jsonl', '', []],
  ['an object over several lines, each', 'a.json', pretty, both],
  ['objects side by side', 'a.jsonl', `${one}{"text":"c"} ${one}`, ['a b', 'c', 'a b']],
  ['a list', 'a.json', `[${one},{"text":"c"}]`, both],
  ['a list over several lines', 'a.json', json(JSON.parse(`[${one},{"text":"c"}]`), null, 2), both],
  ['a list under the name of lines', 'a.jsonl', `[\n${one},\n{"text":"c"}\n]\n`, both],
  ['an empty list', 'a.json', ' [ ] ', []],
  ['lists one after another', 'a.json', `[${one}]\n[{"text":"c"}]`, both],
  [
    'a list without its end',
    'a.json',
    `[${one},\n{"text":"c"}`,
    'FILE:2:13: is not JSON: the end where , or ] should be',
  ],
  ['a list with a comma too many', 'a.json', `[${one},]`, 'FILE:1:17: is not JSON: ] where a value should be'],
  ['a list without a comma', 'a.json', `[${one}\n${one}]`, 'FILE:2:1: is not JSON: { where , or ] should be'],
  ['lines with commas', 'a.jsonl', `${one},\n${one}`, 'FILE:1:15: is not JSON: , where a value should be'],
  ['a list of texts', 'a.json', '["a", "b"]', 'FILE:1:2: is a text, not an object'],
  ['a text a line', 'a.jsonl', '"a"\n"b"', 'FILE:1: is a text, not an object'],
  ['plain text under the name of JSON', 'a.json', 'Once there was', 'FILE:1:1: is not JSON: Once'],
  ['one object with a list', 'a.json', `{"data":[${one}]}`, `FILE:1: has no ${columns}: it has "data"`],
  [
    'an object per split',
    'a.json',
    `{"train":[${one}],"test":[${one}]}`,
    `FILE:1: has no ${columns}: it has "train", "test"`,
  ],
  ['an object per column', 'a.json', '{"text":["a","b"]}', 'FILE:1: has a "text" that is a list, not a text'],
  ['JSON under the name of text', 'a.txt', two, 'FILE: holds JSON, but its name does not say so'],
  ['JSON under no name', 'data', `[${one}]`, 'FILE: holds JSON, but its name does not say so'],
  ['JSON under the name of a table', 'a.csv', two, 'FILE: holds JSON, but its name does not say so'],

  // Packed.
  ['packed lines', 'a.jsonl.gz', gzipSync(two), both],
  ['packed lines under an upper-case name', 'A.JSONL.GZ', gzipSync(two), both],
  ['a packed list', 'a.json.gz', gzipSync(`[${one}]`), ['a b']],
  ['a packed table', 'a.csv.gz', gzipSync('text\na b\nc\n'), both],
  ['packed lines whose name does not say so', 'a.jsonl', gzipSync(two), both],
  ['plain lines whose name says that they are packed', 'a.jsonl.gz', two, both],
  ['plain text whose name says that it is packed', 'a.txt.zst', 'a b', ['a b']],
  ['packed twice', 'a.jsonl.gz', gzipSync(gzipSync(two)), 'FILE: is compressed with gzip twice'],
  ['packed nothing', 'a.jsonl.gz', gzipSync(''), []],
  ['zstd', 'a.jsonl.zst', hex('28b52ffd'), 'FILE: is compressed with zstd'],
  ['zstd under another name', 'a.jsonl', hex('28b52ffd'), 'FILE: is compressed with zstd'],
  ['bzip2', 'a.json.bz2', hex('425a6839314159265359'), 'FILE: is compressed with bzip2'],
  ['xz', 'a.txt.xz', hex('fd377a585a00'), 'FILE: is compressed with xz'],
  ['zip', 'a.csv.zip', hex('504b0304'), 'FILE: is a zip archive'],
  [
    'a packed tar',
    'a.tar.gz',
    gzipSync(Buffer.concat([Buffer.alloc(257), Buffer.from('ustar')])),
    'FILE: is a tar archive, compressed with gzip',
  ],

  // Kinds that are not text.
  [
    'Parquet under another name, cut',
    'a.jsonl',
    'PAR1 and no more',
    'FILE: is not a complete Parquet file: parquet file invalid (footer != PAR1)',
  ],
  ['packed Parquet', 'a.parquet.gz', gzipSync('PAR1 and more'), 'FILE: is a Parquet file, compressed with gzip'],
  ['lines under the name of Parquet', 'a.parquet', two, 'FILE: is not a Parquet file, although its name says so'],
  ['Arrow', 'a.arrow', hex('4152524f57310000'), 'FILE: is an Arrow file'],
  ['an Arrow stream', 'data-00000-of-00001.arrow', hex('ffffffff'), 'FILE: is an Arrow stream'],
  ['Feather', 'a.feather', hex('46454131'), 'FILE: is a Feather file'],
  [
    'a Git LFS pointer',
    'a.jsonl',
    'version https://git-lfs.github.com/spec/v1\noid sha256:0\n',
    'FILE: is a Git LFS pointer, not the file itself',
  ],
  ['bytes', 'a.txt', Buffer.from([1, 2, 0, 3]), 'FILE: is not text: it has NUL bytes'],

  // Encodings.
  ['a byte order mark', 'a.jsonl', `\ufeff${two}`, both],
  ['a byte order mark before a list', 'a.json', `\ufeff[${one}]`, ['a b']],
  ['a byte order mark before a text', 'a.txt', '\ufeffa b', ['a b']],
  ['a byte order mark before a table', 'a.csv', '\ufefftext\na b\n', ['a b']],
  ['UTF-16, little end first', 'a.jsonl', utf16(two), both],
  ['UTF-16, big end first', 'a.txt', utf16('é 😀', true), ['é 😀']],
  ['UTF-16 that ends within a character', 'a.txt', utf16('ab').subarray(0, 5), 'FILE:1: is not UTF-16LE at byte 4'],
  ['UTF-32', 'a.txt', hex('fffe0000'), 'FILE: is UTF-32'],
  ['UTF-32, big end first', 'a.jsonl', hex('0000feff'), 'FILE: is UTF-32'],
  ['Latin-1', 'a.jsonl', latin1(`${one}\n{"text":"\xe9"}`), 'FILE:2: is not UTF-8 at byte 24'],
  ['a text in Latin-1', 'a.txt', latin1('a\n\ncaf\xe9 b'), 'FILE:3: is not UTF-8 at byte 6'],
  ['a table in Latin-1', 'a.csv', latin1('text\ncaf\xe9\n'), 'FILE:2: is not UTF-8 at byte 8'],
  [
    'a replacement character that stands there',
    'a.txt',
    Buffer.concat([Buffer.from('\ufffd'), Buffer.from([0xff])]),
    'FILE:1: is not UTF-8 at byte 3',
  ],

  // What JSON has not, or has in more than one meaning.
  ['NaN', 'a.jsonl', `${one}\n{"text":"c","score":NaN}`, 'FILE:2:21: is not JSON: NaN'],
  ['-Infinity', 'a.json', `[{"text":"c",\n"score":-Infinity}]`, 'FILE:2:9: is not JSON: -Infinity'],
  ['None', 'a.jsonl', '{"text":None}', 'FILE:1:9: is not JSON: None'],
  ['single quotes', 'a.jsonl', "{'text':'a'}", "FILE:1:2: is not JSON: ' where a key in double quotes should be"],
  ['a key twice', 'a.jsonl', '{"text":"a","text":"b"}', 'FILE:1:13: has the key "text" twice'],
  [
    'a key twice, written in two ways, within',
    'a.jsonl',
    '{"m":[{"a":1,"\\u0061":2}]}',
    'FILE:1:14: has the key "a" twice',
  ],
  ['half of a character', 'a.jsonl', '{"text":"a\\ud83d b"}', 'FILE:1:11: has an unpaired surrogate: \\ud83d'],
  ['the other half', 'a.jsonl', '{"text":"\\ude00"}', 'FILE:1:10: has an unpaired surrogate: \\ude00'],
  ['both halves', 'a.jsonl', '{"text":"\\ud83d\\uDE00"}', ['😀']],
  ['NUL', 'a.jsonl', '{"text":"a\\u0000"}', 'FILE:1:11: has a NUL character'],
  ['a number too large', 'a.jsonl', '{"text":"a","n":1e999}', 'FILE:1:17: has the number 1e999, which is too large'],
  ['a whole number beyond what doubles tell apart', 'a.jsonl', '{"text":"a","id":12345678901234567890}', ['a']],
  ['01', 'a.jsonl', '{"text":"a","n":01}', 'FILE:1:17: is not JSON: 01'],
  ['a line that ends within a text', 'a.jsonl', `{"text":"a\n${one}`, 'FILE:1:11: is not JSON: an unterminated string'],
  ['a tab within a text', 'a.jsonl', '{"text":"a\tb"}', 'FILE:1:11: is not JSON: the control character 9 in a string'],
  ['an object without an end', 'a.jsonl', `{"text":"a"\n${one}`, 'FILE:2:1: is not JSON: { where , or } should be'],
  ['a comma too many', 'a.jsonl', '{"text":"a",}', 'FILE:1:13: is not JSON: } where a key in double quotes should be'],
  [
    'lists without end',
    'a.jsonl',
    '{"text":'.concat('['.repeat(600)),
    'FILE:1:508: is not JSON: more than 500 nested lists and objects',
  ],

  // Null and empty.
  ['null', 'a.jsonl', '{"text":null}\n{"text":"c"}', [null, 'c']],
  ['an empty text', 'a.jsonl', '{"text":""}\n{"text":"c"}', [null, 'c']],
  ['an empty list of ids', 'a.jsonl', '{"input_ids":[]}', [null]],
  ['null messages', 'a.jsonl', '{"messages":null}', [null]],
  ['null, and another column', 'a.jsonl', '{"text":null,"input_ids":[1,2]}', [[1, 2]]],
  ['an empty cell', 'a.csv', 'id,text\n1,\n2,c\n', [null, 'c']],
  ['an empty file of text', 'a.txt', '', [null]],
  ['null as a record', 'a.jsonl', 'null', 'FILE:1: is null, not an object'],

  // Columns.
  [
    'a text in another column',
    'a.jsonl',
    '{"content":"a","id":1}',
    `FILE:1: has no ${columns}: it has "content", "id"`,
  ],
  ['the same, named', 'a.jsonl', '{"content":"a","id":1}', ['a'], 'content'],
  ['a column that is not there', 'a.jsonl', one, 'FILE:1: has no "content": it has "text"', 'content'],
  ['a column in a text', 'a.txt', 'a', 'FILE: is read as one text, and has no "content"', 'content'],
  ['a column whose name every object has', 'a.jsonl', one, 'FILE:1: has no "toString": it has "text"', 'toString'],
  ['a number as text', 'a.jsonl', '{"text":5}', 'FILE:1: has a "text" that is a number, not a text'],
  [
    'ids beyond the vocabulary',
    'a.jsonl',
    '{"input_ids":[1,50]}',
    'FILE:1: has 50 in its "input_ids" (number 2), which is not a token id of the model',
  ],
  ['ids with padding', 'a.jsonl', '{"input_ids":[0,0,7,8],"attention_mask":[0,0,1,1]}', [[7, 8]]],

  // Tables.
  ['a table', 'a.csv', 'id,text\n1,a b\n2,c\n', both],
  ['a table with quotes', 'a.csv', 'text,id\r\n"a, ""b""\r\nc",1\r\n"d",2\r\n', ['a, "b"\r\nc', 'd']],
  ['a table with tabs', 'a.tsv', 'id\ttext\n1\ta, b\n', ['a, b']],
  ['a table with semicolons', 'a.csv', 'id;text\n1;a, b\n', ['a, b']],
  ['a table of one column', 'a.csv', 'text\na b\n\nc', both],
  ['a column of a table', 'a.CSV', 'id,content\n1,a\n', ['a'], 'content'],
  ['a table without names', 'a.csv', '1,a b\n2,c\n', `FILE:2: has no ${columns}: it has "1", "a b"`],
  ['a table with names alone', 'a.csv', 'id,text\n', []],
  [
    'a row that is too long',
    'a.csv',
    'id,text\n1,a\n2,b, c\n',
    'FILE:3: has 3 cells, but the first row names 2 columns',
  ],
  ['quotes without an end', 'a.csv', 'id,text\n1,"a\n2,b\n', 'FILE:2: is not CSV: an unclosed quote'],
  [
    'a row behind quotes with lines',
    'a.csv',
    'id,text\n1,"a\nb"\n2\n',
    'FILE:4: has 1 cell, but the first row names 2 columns',
  ],
  ['a column named twice', 'a.csv', 'text,text\na,b\n', 'FILE:1: names the column "text" twice'],

  // Conversations.
  ['messages', 'a.jsonl', json({ messages: [say('user', 'a')] }), [{ messages: [say('user', 'a')] }]],
  [
    'parts of text',
    'a.jsonl',
    json({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
      ],
    }),
    [
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'a' },
              { type: 'text', text: 'b' },
            ],
          },
        ],
      },
    ],
  ],
  [
    'an image',
    'a.jsonl',
    json({ messages: [{ role: 'user', content: [{ type: 'image', url: 'x' }] }] }),
    'FILE:1: has a message (number 1) with a part of type "image" in its "content"',
  ],
  [
    'null content beside calls',
    'a.jsonl',
    json({ messages: [{ role: 'assistant', content: null, tool_calls: [{ id: 'x' }] }] }),
    [{ messages: [{ role: 'assistant', content: null, tool_calls: [{ id: 'x' }] }] }],
  ],
  [
    'null content alone',
    'a.jsonl',
    json({ messages: [say('user', 'a'), { role: 'assistant', content: null }] }),
    'FILE:1: has a message (number 2) whose "content" is null',
  ],
  [
    'a message without a role',
    'a.jsonl',
    '{"messages":[{"content":"a"}]}',
    'FILE:1: has a message (number 1) without a "role" that is text',
  ],
  ['no messages', 'a.jsonl', '{"messages":[]}', 'FILE:1: has no messages in "messages"'],
  [
    'tools',
    'a.jsonl',
    json({ messages: [say('user', 'a')], tools: [{ name: 'x' }] }),
    [{ messages: [say('user', 'a')], tools: [{ name: 'x' }] }],
  ],
  [
    'tools as a text',
    'a.jsonl',
    json({ messages: [say('user', 'a')], tools: '[{"name":"x"}]' }),
    [{ messages: [say('user', 'a')], tools: [{ name: 'x' }] }],
  ],
  [
    'tools that are no list',
    'a.jsonl',
    json({ messages: [say('user', 'a')], tools: 'x' }),
    'FILE:1: has "tools" that are neither a list nor the JSON of one',
  ],
  [
    'documents and variables',
    'a.jsonl',
    json({
      messages: [say('user', 'a')],
      documents: [{ text: 'd' }],
      chat_template_kwargs: { enable_thinking: false },
    }),
    [{ messages: [say('user', 'a')], documents: [{ text: 'd' }], variables: { enable_thinking: false } }],
  ],
  [
    'ShareGPT',
    'a.jsonl',
    json({
      conversations: [
        { from: 'human', value: 'a' },
        { from: 'gpt', value: 'b' },
      ],
    }),
    [{ messages: [say('user', 'a'), say('assistant', 'b')] }],
  ],
  [
    'ShareGPT in a column of its own',
    'a.jsonl',
    json({ turns: [{ from: 'system', value: 'a' }] }),
    [{ messages: [say('system', 'a')] }],
    'turns',
  ],
  [
    'ShareGPT with an unknown speaker',
    'a.jsonl',
    json({ conversations: [{ from: 'bard', value: 'a' }] }),
    'FILE:1: has a message (number 1) from "bard", which is not a role',
  ],
  ['prompt and completion', 'a.jsonl', '{"prompt":"a ","completion":"b"}', ['a b']],
  [
    'prompt and completion as messages',
    'a.jsonl',
    json({ prompt: [say('user', 'a')], completion: [say('assistant', 'b')] }),
    [{ messages: [say('user', 'a'), say('assistant', 'b')] }],
  ],
  ['a prompt alone', 'a.jsonl', '{"prompt":"a"}', `FILE:1: has no ${columns}: it has "prompt"`],
  ['a prompt, named', 'a.jsonl', '{"prompt":"a"}', ['a'], 'prompt'],
  [
    'a text before messages',
    'a.jsonl',
    json({ prompt: 'a', completion: [say('assistant', 'b')] }),
    'FILE:1: has a "prompt" that is a text and a "completion" that is a list',
  ],
  [
    'Alpaca',
    'a.jsonl',
    '{"instruction":"a","input":"","output":"b"}',
    `FILE:1: has no ${columns}: it has "instruction", "input", "output"`,
  ],
  ['turns as records', 'a.jsonl', json(say('user', 'a')), `FILE:1: has no ${columns}: it has "role", "content"`],
])('%s', async (_, name, content, right, column) => {
  expect(await read(name, content, column)).toEqual(right)
})

test('a folder is refused by what it is', async () => {
  const folder = join(temporaryFolder(), 'saved')
  mkdirSync(folder)
  expect(await readPath(folder)).toBe('FILE: is a folder')
  writeFileSync(join(folder, 'data-00000-of-00001.arrow'), '')
  expect(await readPath(folder)).toBe('FILE: is a folder of Hugging Face datasets (save_to_disk)')
})

test('what is read does not depend on where the pieces of a file end', async () => {
  const records = Array.from({ length: 900 }, (_, i) => ({
    text: `${'é😀"\\\n'.repeat(i % 50)}${i}`,
    n: [i, { a: null }],
  }))
  const texts = records.map(({ text }) => text)
  const table = `text\n${texts.map((text) => `"${text.replaceAll('"', '""')}"`).join('\n')}`
  expect(await read('a.jsonl', records.map((own) => json(own)).join('\n'))).toEqual(texts)
  expect(await read('a.json', json(records, null, 3))).toEqual(texts)
  expect(await read('a.jsonl', utf16(json(records), true))).toEqual(texts)
  expect(await read('a.csv', table)).toEqual(texts)
})

test('a record that is too long is refused before it is read whole, and what it is or lacks is said', async () => {
  const first = async (text: string) => {
    const pieces = Readable.from(text.match(/[^]{1,8}/g)!) as AsyncIterable<string>
    for await (const { problem } of jsonTexts(pieces, 50)) return problem
    return undefined
  }
  const long = '{"text":"a"},\n'.repeat(9)
  expect(await first(`{"data":[${long}`)).toEqual({
    at: 0,
    message: 'is longer than 50 characters; it begins with a list in "data"',
  })
  expect(await first(`{"text":"${long.replaceAll(/[\n"]/g, '')}`)).toEqual({
    at: 0,
    message: 'is longer than 50 characters',
  })
  // What is wrong in what was read counts first.
  expect(await first(`{"text":"a"\n${long}`)).toEqual({ at: 12, message: 'is not JSON: { where , or } should be' })
})
