import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Tokenizer } from '../../model/index.js'
import { Failure } from '../api/index.js'
import { refusePointer } from '../api/stand-in.js'
import { placed } from './documents.js'
import { readJsonLines } from './json-lines.js'

/** Items of one task as token ids. */
export interface TaskItems {
  /** Accuracy of guessing. */
  readonly chance: number
  readonly items: readonly { readonly prompt: readonly number[]; readonly answer: readonly number[] }[]
}

const remedy = 'tasks.json is {"NAME": {"chance": 0.1}}, and NAME.jsonl has lines {"prompt": "…", "answer": "…"}.'

/** The tasks of a folder: tasks.json {name: {chance}} and NAME.jsonl {"prompt", "answer"}, at most `most` items of each. */
export async function readTasks(
  folder: string,
  tokenizer: Tokenizer,
  most: number,
): Promise<Record<string, TaskItems>> {
  const tasks: Record<string, TaskItems> = {}
  for (const [name, chance] of await readIndex(join(folder, 'tasks.json'))) {
    const file = join(folder, `${name}.jsonl`)
    const items: TaskItems['items'][number][] = []
    for await (const { fields, bad } of readJsonLines(file, remedy)) {
      if (items.length === most) break
      const { prompt, answer } = fields
      if (typeof prompt !== 'string' || typeof answer !== 'string') throw bad('has no prompt and answer')
      const item = placed(bad, () => ({
        prompt: tokenizer.encode(prompt),
        answer: tokenizer.encode(answer, { special: false }),
      }))
      // An answer of no tokens would be right whatever the model says.
      for (const part of ['prompt', 'answer'] as const) if (item[part].length === 0) throw bad(`has an empty ${part}`)
      items.push(item)
    }
    if (items.length === 0) throw new Failure('InvalidInput', `${file}: has no items`, { file, remedy })
    tasks[name] = { chance, items }
  }
  return tasks
}

/** Names and chances of the tasks that tasks.json lists. */
async function readIndex(file: string): Promise<[name: string, chance: number][]> {
  const bad = (message: string) => new Failure('InvalidInput', `${file}: ${message}`, { file, remedy })
  refusePointer(file)
  let index: unknown
  try {
    index = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw bad(error instanceof SyntaxError ? `is not JSON: ${error.message}` : (error as Error).message)
  }
  const entries = typeof index === 'object' && index !== null ? Object.entries(index) : []
  if (entries.length === 0) throw bad('names no tasks')
  return entries.map(([name, entry]) => {
    if (!/^[\w-]+$/.test(name)) throw bad(`"${name}" is no name of a task`)
    const { chance = 0 } = (entry ?? {}) as { chance?: unknown }
    if (typeof chance !== 'number' || !(chance >= 0 && chance < 1))
      throw bad(`the chance of "${name}" is ${JSON.stringify(chance)}, not a number from 0 to below 1`)
    return [name, chance]
  })
}
