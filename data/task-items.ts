import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { taskItem, type Tokenizer } from '../model/index.js'
import { Failure } from '../api/index.js'
import { placed } from './documents.js'
import { readJsonRecords } from './json-records.js'

/** The items of one task, as token ids. */
export interface TaskItems {
  /** Accuracy of guessing, from 0 to below 1. */
  readonly chance: number
  readonly items: readonly { readonly prompt: readonly number[]; readonly answer: readonly number[] }[]
}

const remedy = 'tasks.json is {"NAME": {"chance": 0.1}}, and NAME.jsonl has lines {"prompt": "…", "answer": "…"}.'

const indexFile = 'tasks.json'
const itemsFile = (name: string) => `${name}.jsonl`

/** Names of the files that tasks are read from. Other files in the folder have no effect.
 *  @throws Failure InvalidInput for an invalid tasks.json */
export async function taskFiles(folder: string): Promise<readonly string[]> {
  const tasks = await readIndex(join(folder, indexFile))
  return [indexFile, ...tasks.map(([name]) => itemsFile(name))].sort()
}

/** Explains why a folder is not a folder of tasks; undefined if it is one. */
export function tasksProblem(folder: string, written: string) {
  if (existsSync(join(folder, indexFile))) return undefined
  const entries = readdirSync(folder, { withFileTypes: true })
  const names = entries.flatMap(({ name }) => /^([\w-]+)\.jsonl$/.exec(name)?.[1] ?? []).sort()
  const below = entries.find(({ name }) => existsSync(join(folder, name, indexFile)))
  const index = Object.fromEntries(names.slice(0, 8).map((name) => [name, { chance: 0 }]))
  const hint = below
    ? `did you mean "${written.replace(/\/+$/, '')}/${below.name}"?`
    : names.length > 0
      ? `write it, with the accuracy of guessing: ${JSON.stringify(index)}`
      : remedy
  return { code: 'bad-tasks', message: `The folder "${written}" has no ${indexFile}.`, hint }
}

/** Reads the tasks of a folder, tasks.json {name: {chance}} and NAME.jsonl {"prompt", "answer"}, with at most `most` items of
 *  each. */
export async function readTasks(
  folder: string,
  tokenizer: Tokenizer,
  most: number,
): Promise<Record<string, TaskItems>> {
  const tasks: Record<string, TaskItems> = {}
  for (const [name, chance] of await readIndex(join(folder, indexFile))) {
    const file = join(folder, itemsFile(name))
    const items: TaskItems['items'][number][] = []
    for await (const { fields, bad } of readJsonRecords(file, remedy)) {
      if (items.length === most) break
      const { prompt, answer } = fields
      for (const part of ['prompt', 'answer'] as const)
        if (fields[part] === null) throw bad(`has ${part === 'answer' ? 'an' : 'a'} ${part} that is null`)
      if (typeof prompt !== 'string' || typeof answer !== 'string') throw bad('has no prompt and answer')
      const item = placed(bad, () => taskItem(tokenizer, prompt, answer))
      // An answer without tokens would be right for every model.
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
  const entries: [string, unknown][] = []
  for await (const { fields } of readJsonRecords(file, remedy)) entries.push(...Object.entries(fields))
  if (entries.length === 0) throw bad('names no tasks')
  return entries.map(([name, entry]) => {
    if (!/^[\w-]+$/.test(name)) throw bad(`"${name}" is not a task name`)
    const { chance = 0 } = (entry ?? {}) as { chance?: unknown }
    if (typeof chance !== 'number' || !(chance >= 0 && chance < 1))
      throw bad(`the chance of "${name}" is ${JSON.stringify(chance)}, not a number from 0 to below 1`)
    return [name, chance]
  })
}
