import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { Failure } from '../../api/index.js'
import { readDocuments, type Document } from '../../data/documents.js'
import { isTest } from '../../data/task-splits.js'

/** Files of training and held-out text. */
export interface SplitFiles {
  readonly train: string
  readonly validate: string
}

/** Share of the documents that is held out. */
const heldOut = 0.1

/** Characters of a piece of a long text. */
const pieceLength = 4000

/**
 * Divides a file by document into one to train on and one to judge by: the content decides, so that the same document is never
 * in both. Long texts are divided at ends of lines.
 * @param folder  where train.jsonl and validate.jsonl are written
 * @throws Failure InvalidInput if one of them is there already with other text, or the file holds too little
 */
export async function splitData(file: string, folder: string): Promise<SplitFiles> {
  const paths = { train: join(folder, 'train.jsonl'), validate: join(folder, 'validate.jsonl') }
  mkdirSync(folder, { recursive: true })
  const counts = { train: 0, validate: 0 }
  const streams = {
    train: createWriteStream(`${paths.train}.tmp`),
    validate: createWriteStream(`${paths.validate}.tmp`),
  }
  for await (const line of lines(file)) {
    const side = isTest(line, heldOut) ? 'validate' : 'train'
    counts[side]++
    if (!streams[side].write(`${line}\n`)) await once(streams[side], 'drain')
  }
  for (const stream of Object.values(streams)) {
    stream.end()
    await once(stream, 'close')
  }
  if (counts.train + counts.validate < 2)
    throw new Failure('InvalidInput', `${file} has too little text to hold some out`, {
      file,
      remedy: 'Bring more text, or name both files: --data TRAIN --validate VALIDATE.',
    })
  // Of a few documents the content may put all on one side.
  if (counts.train === 0) moveLast(`${paths.validate}.tmp`, `${paths.train}.tmp`)
  if (counts.validate === 0) moveLast(`${paths.train}.tmp`, `${paths.validate}.tmp`)
  // The same text gives the same files: those of an earlier proposal stay.
  const others = Object.values(paths).filter((path) => existsSync(path) && !sameFiles(path, `${path}.tmp`))
  for (const path of Object.values(paths))
    if (others.length === 0) renameSync(`${path}.tmp`, path)
    else rmSync(`${path}.tmp`)
  if (others.length > 0)
    throw new Failure('InvalidInput', `${others[0]!} already exists, with different text`, {
      file: others[0]!,
      // It may be the only copy of somebody's text.
      remedy:
        'Write the spec into another folder (--output FOLDER/search.yaml), or name both files: --data TRAIN --validate VALIDATE.',
    })
  return paths
}

const sameFiles = (a: string, b: string): boolean =>
  statSync(a).size === statSync(b).size && readFileSync(a).equals(readFileSync(b))

/** Moves the last line of a file to an empty one. */
function moveLast(from: string, to: string): void {
  const all = readFileSync(from, 'utf8').trimEnd().split('\n')
  writeFileSync(to, `${all.at(-1)!}\n`)
  writeFileSync(
    from,
    all
      .slice(0, -1)
      .map((line) => `${line}\n`)
      .join(''),
  )
}

/** Documents as lines of JSON. */
async function* lines(file: string): AsyncGenerator<string> {
  for await (const document of readDocuments({ path: file }, Infinity))
    if (document.kind !== 'empty') for (const record of recordsOf(document)) yield JSON.stringify(record)
}

function* recordsOf(document: Exclude<Document, { readonly kind: 'empty' }>): Generator<object> {
  switch (document.kind) {
    case 'ids':
      yield { input_ids: document.ids }
      return
    case 'messages':
      yield { messages: document.messages, ...document.extras }
      return
    case 'text':
      for (const text of pieces(document.text)) yield { text }
  }
}

/** A long text in pieces that end after a line where one ends nearby. */
export function* pieces(text: string): Generator<string> {
  for (let from = 0; from < text.length;) {
    const end = text.indexOf('\n', from + pieceLength)
    const to = end === -1 || end > from + 2 * pieceLength ? from + pieceLength : end + 1
    // Never between the halves of a character.
    const whole = /[\ud800-\udbff]/.test(text[to - 1] ?? '') ? to + 1 : to
    yield text.slice(from, whole)
    from = whole
  }
}
