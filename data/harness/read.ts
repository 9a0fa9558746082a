import { Failure } from '../../api/index.js'
import { placed } from '../documents.js'
import type { ReadItem, ReadTask } from '../task-splits.js'
import { harnessTask, type HarnessTask } from './config.js'
import { asTable, readDocs, type PlacedDoc } from './data-set.js'
import { formOf, itemOf, type Reader } from './items.js'
import { Prompts } from './prompts.js'
import { contentOf } from './source.js'
import { readYamlTask } from './yaml-file.js'

/** Documents that examples are looked for in. */
const mostPool = 2000

/** A task's YAML, and nothing of its data. @throws Failure InvalidInput */
export const openHarness = async (file: string): Promise<HarnessTask> => harnessTask(await readYamlTask(file))

/** The files that a task is made of: its YAML, what it includes, and its data. @throws Failure InvalidInput */
export async function harnessFiles(file: string): Promise<readonly string[]> {
  const yaml = await readYamlTask(file)
  const { splits } = harnessTask(yaml)
  return [...new Set([...yaml.files, ...[...splits.values()].flat()])]
}

/**
 * Reads a task of lm-evaluation-harness with its data.
 * @param most  documents that are read of each split
 * @throws Failure InvalidInput with the place in the YAML or in the data
 */
export async function readHarness(task: HarnessTask, reader: Reader, most: number): Promise<ReadTask> {
  const docs = new Map<string, readonly PlacedDoc[]>()
  const read = async (split: string, count: number) => {
    const known = docs.get(split)
    if (known && known.length >= count) return known
    const paths = task.splits.get(split)!
    const found = asTable(await take(readDocs(paths), count))
    if (found.length === 0)
      throw new Failure('InvalidInput', `${paths.join(', ')}: has no documents`, {
        file: paths[0]!,
        remedy: 'Give a file with one object per line.',
      })
    docs.set(split, found)
    return found
  }
  const { shots, validation, test } = task
  const from = shots?.from
  const pool =
    from === undefined
      ? []
      : 'samples' in from
        ? from.samples.map((doc) => ({ doc, bad: (message: string) => new Failure('InvalidInput', message) }))
        : (await read(from.split, mostPool)).slice(0, mostPool)
  const shown = new Set(shots === undefined ? [] : pool.slice(0, shots.count + 1).map(({ doc }) => contentOf(doc)))
  const items = async (split: string): Promise<readonly ReadItem[]> => {
    const own = from !== undefined && 'split' in from && from.split === split
    const prompts = new Prompts(task, pool, own)
    return (await read(split, most)).slice(0, most).map(({ doc, bad }) => {
      const content = contentOf(doc)
      return { item: placed(bad, () => itemOf(task, prompts, doc, reader)), content, shown: own && shown.has(content) }
    })
  }
  const [first, second] = [validation, test].filter((split) => split !== undefined)
  return {
    name: task.name,
    form: formOf(task),
    items: await items(first!),
    ...(second !== undefined && second !== first && { test: await items(second) }),
  }
}

async function take<T>(all: AsyncIterable<T>, most: number): Promise<T[]> {
  const found: T[] = []
  for await (const one of all) {
    if (found.length === most) break
    found.push(one)
  }
  return found
}
