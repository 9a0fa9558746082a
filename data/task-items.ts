import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { taskItem, type Tokenizer } from '../model/index.js'
import { Failure } from '../api/index.js'
import { placed } from './documents.js'
import { readJsonRecords } from './json-records.js'
import type { AnswerItem } from './task.js'
import type { ReadItem, ReadTask } from './task-splits.js'
import { shown } from '../errors/foreign.js'

const remedy = 'tasks.json is {"NAME": {"chance": 0.1}}, and NAME.jsonl has lines {"prompt": "…", "answer": "…"}.'

const indexFile = 'tasks.json'
const itemsFile = (name: string) => `${name}.jsonl`
/** Items that only the final evaluation reads. */
const testFile = (name: string) => `${name}.test.jsonl`

/** Names of the files that tasks are read from. Other files in the folder have no effect.
 *  @throws Failure InvalidInput for an invalid tasks.json */
export async function taskFiles(folder: string): Promise<readonly string[]> {
  const tasks = await readIndex(join(folder, indexFile))
  const tests = tasks.map(([name]) => testFile(name)).filter((name) => existsSync(join(folder, name)))
  return [indexFile, ...tasks.map(([name]) => itemsFile(name)), ...tests].sort()
}

/** Explains why a folder is not a folder of tasks; undefined if it is one. */
export function tasksProblem(folder: string, written: string) {
  if (existsSync(join(folder, indexFile))) return undefined
  const entries = readdirSync(folder, { withFileTypes: true })
  const names = entries.flatMap(({ name }) => /^([\w-]+)\.jsonl$/.exec(name)?.[1] ?? []).sort()
  const below = entries.find(({ name }) => existsSync(join(folder, name, indexFile)))
  const index = Object.fromEntries(names.slice(0, 8).map((name) => [name, { chance: 0 }]))
  const yaml = entries.find(({ name }) => /\.ya?ml$/.test(name))
  const hint = below
    ? `did you mean "${written.replace(/\/+$/, '')}/${below.name}"?`
    : names.length > 0
      ? `write it, with the accuracy of guessing: ${JSON.stringify(index)}`
      : yaml
        ? `for a task of lm-evaluation-harness, write \`tasks: [{ harness: ${written.replace(/\/+$/, '')}/${yaml.name} }]\``
        : remedy
  return { code: 'bad-tasks', message: `The folder "${written}" has no ${indexFile}.`, hint }
}

/** The tasks of a folder: tasks.json {name: {chance}}, NAME.jsonl {"prompt", "answer"}, and NAME.test.jsonl where there is one.
 *  @param most  items that are read of each file */
export async function readFolder(folder: string, tokenizer: Tokenizer, most: number): Promise<readonly ReadTask[]> {
  const tasks: ReadTask[] = []
  for (const [name, chance] of await readIndex(join(folder, indexFile))) {
    const test = join(folder, testFile(name))
    tasks.push({
      name,
      form: { chance },
      items: await readItems(join(folder, itemsFile(name)), tokenizer, most),
      ...(existsSync(test) && { test: await readItems(test, tokenizer, most) }),
    })
  }
  return tasks
}

async function readItems(file: string, tokenizer: Tokenizer, most: number): Promise<readonly ReadItem[]> {
  const items: { readonly item: AnswerItem; readonly content: string }[] = []
  for await (const { fields, bad } of readJsonRecords(file, remedy)) {
    if (items.length === most) break
    const { prompt, answer } = fields
    for (const part of ['prompt', 'answer'] as const)
      if (fields[part] === null) throw bad(`has ${part === 'answer' ? 'an' : 'a'} ${part} that is null`)
    if (typeof prompt !== 'string' || typeof answer !== 'string') throw bad('has no prompt and answer')
    const item = placed(bad, () => taskItem(tokenizer, prompt, answer))
    // An answer of no tokens would be right whatever the model says.
    for (const part of ['prompt', 'answer'] as const) if (item[part].length === 0) throw bad(`has an empty ${part}`)
    items.push({ item, content: JSON.stringify([prompt, answer]) })
  }
  if (items.length === 0) throw new Failure('InvalidInput', `${file}: has no items`, { file, remedy })
  return items
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
      throw bad(`the chance of "${name}" is ${shown(chance)}, not a number from 0 to below 1`)
    return [name, chance]
  })
}
