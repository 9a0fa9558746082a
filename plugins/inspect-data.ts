import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Tokenizer, type ModelConfig } from '../model/index.js'
import type { InputProblem } from '../spec/registry.js'
import { Failure, type JsonObject } from './api/index.js'

/** What of a spec's inputs is read as text. */
interface TextInputs {
  readonly model: string
  readonly data?: {
    readonly train?: { readonly path: string }
    readonly validate?: { readonly path: string }
    readonly test?: { readonly path: string }
    readonly sequenceLength?: number
  }
  readonly tasks?: string
}

type Problem = Omit<InputProblem, 'path'>

/**
 * Mistakes in data and tasks that a run would meet in its first stage: a tokenizer that does not fit the model, files
 * that are not what they should be, or hold too little. Lines are all looked at, but only as many are tokenised as are
 * needed to know that there are enough.
 */
export async function inspectData(inputs: JsonObject, config: ModelConfig): Promise<InputProblem[]> {
  const { model, data, tasks } = inputs as unknown as TextInputs
  if (data === undefined && tasks === undefined) return []
  let tokenizer: Tokenizer
  try {
    tokenizer = Tokenizer.open(model, config.vocabulary)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return [{ path: ['model'], code: 'bad-tokenizer', message: error.message, ...hintOf(error.remedy) }]
  }
  const problems: InputProblem[] = []
  const length = data?.sequenceLength ?? 128
  if (length > config.maxPositions)
    problems.push({
      path: ['data', 'sequenceLength'],
      code: 'too-long',
      message: `data.sequenceLength ${length} is more than the model's ${config.maxPositions} positions.`,
    })
  for (const name of ['train', 'validate', 'test'] as const) {
    const path = data?.[name]?.path
    const found = path === undefined ? undefined : await inspectDocuments(path, tokenizer, length, config.vocabulary)
    if (found) problems.push({ path: ['data', name, 'path'], ...found })
  }
  const found = tasks === undefined ? undefined : await inspectTasks(tasks)
  if (found) problems.push({ path: ['tasks'], ...found })
  return problems
}

const hintOf = (hint: string | undefined) => (hint === undefined ? {} : { hint })
const bad = (code: string, message: string, hint: string): Problem => ({ code, message, hint })

/** Text that may hold two sequences: then more is read. */
const firstBytes = 1 << 20

async function inspectDocuments(
  path: string,
  tokenizer: Tokenizer,
  length: number,
  vocabulary: number,
): Promise<Problem | undefined> {
  let tokens = 0
  // A last piece of one token predicts nothing: it does not count.
  const count = (ids: number) => (tokens += ids % length === 1 ? ids - 1 : ids)
  if (path.endsWith('.jsonl')) {
    for await (const [line, number] of numbered(path)) {
      const document = documentOf(line, vocabulary)
      if (document === undefined)
        return bad(
          'bad-data',
          `${path}:${number} is neither {"text": "…"} nor {"input_ids": […]} with ids below ${vocabulary}.`,
          'each line of a .jsonl file is one of them',
        )
      if (tokens < 2 * length) count(typeof document === 'string' ? tokenizer.encode(document).length : document.length)
    }
  } else {
    const text = readFileSync(path, 'utf8')
    for (let bytes = firstBytes; tokens < 2 * length && bytes < 2 * text.length + firstBytes; bytes *= 2) {
      tokens = 0
      count(tokenizer.encode(text.slice(0, bytes)).length)
    }
  }
  if (tokens >= 2 * length) return undefined
  if (tokens === 0) return bad('empty-data', `${path} holds no text.`, 'give a file with documents')
  const message = `${path} holds ${tokens} tokens: fewer than two sequences of ${length}.`
  return bad('too-little-data', message, 'give more text, or a smaller data.sequenceLength')
}

/** Lines that are not blank, with their numbers. */
async function* numbered(path: string): AsyncIterable<readonly [line: string, number: number]> {
  let number = 0
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    number++
    if (line.trim() !== '') yield [line, number]
  }
}

function documentOf(line: string, vocabulary: number): string | readonly number[] | undefined {
  const { text, input_ids: ids } = (parse(line) ?? {}) as { text?: unknown; input_ids?: unknown }
  if (typeof text === 'string') return text
  const known = (id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabulary
  return Array.isArray(ids) && ids.every(known) ? (ids as number[]) : undefined
}

/** Undefined for what is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function inspectTasks(folder: string): Promise<Problem | undefined> {
  const form = 'tasks.json is {"NAME": {"chance": 0.1}}, and NAME.jsonl has lines {"prompt": "…", "answer": "…"}'
  const file = join(folder, 'tasks.json')
  const text = read(file)
  if (text === undefined) return bad('bad-tasks', `${file} cannot be read.`, form)
  const index = parse(text)
  if (typeof index !== 'object' || index === null || Array.isArray(index))
    return bad('bad-tasks', `${file} is not a JSON object.`, form)
  for (const [name, entry] of Object.entries(index)) {
    const { chance = 0 } = (entry ?? {}) as { chance?: unknown }
    if (!/^[\w-]+$/.test(name)) return bad('bad-tasks', `${file}: "${name}" is no name of a task.`, form)
    if (typeof chance !== 'number' || !(chance >= 0 && chance < 1))
      return bad('bad-tasks', `${file}: the chance of "${name}" must be a number from 0 to below 1.`, form)
    const path = join(folder, `${name}.jsonl`)
    if (read(path) === undefined) return bad('bad-tasks', `${path} cannot be read.`, form)
    let items = 0
    for await (const [line, number] of numbered(path)) {
      const { prompt, answer } = (parse(line) ?? {}) as { prompt?: unknown; answer?: unknown }
      if (typeof prompt !== 'string' || typeof answer !== 'string')
        return bad('bad-tasks', `${path}:${number} has no prompt and answer.`, form)
      items++
    }
    if (items === 0) return bad('bad-tasks', `${path} has no items.`, form)
  }
  return undefined
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
