import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { exactJson } from '../../model/index.js'
import { lookAt } from '../data-file.js'
import { readJsonRecords, type DataRecord } from '../json-records.js'
import { readParquetRows } from '../parquet-rows.js'
import type { Field } from './field.js'
import type { Doc } from './source.js'

/** Files by split. */
export type Splits = ReadonlyMap<string, readonly string[]>

/** A document, and its place for messages. */
export interface PlacedDoc {
  readonly doc: Doc
  readonly bad: DataRecord['bad']
}

const builders = ['json', 'parquet']

/**
 * The local files that `dataset_path` and `dataset_kwargs` name; paths start from the folder of the YAML file.
 * @throws Failure InvalidInput for data sets of the Hub, and what else would have to be fetched
 */
export function splitsOf(fields: ReadonlyMap<string, Field>): Splits {
  const path = fields.get('dataset_path')
  const kwargs = fields.get('dataset_kwargs')
  if (!path) {
    const [first] = fields.values()
    throw first!.bad('the task has no dataset_path', `Write ${example}.`, 'key')
  }
  const name = path.text()
  if (!builders.includes(name)) {
    const config = fields.get('dataset_name')
    throw path.bad(`the data set "${name}" is not local, and nothing is fetched`, remedyFor(name, config?.value, path))
  }
  const entries = kwargs?.entries(['data_files', 'trust_remote_code'])
  const files = entries?.get('data_files')
  if (!files) throw (kwargs ?? path).bad('dataset_kwargs names no data_files', `Write ${example}.`)
  const isMap = typeof files.value === 'object' && !Array.isArray(files.value)
  // As in Hugging Face's library, files without the name of a split are those of "train".
  const named = isMap ? files.entries() : new Map([['train', files]])
  return new Map([...named].map(([split, own]) => [split, pathsOf(own)]))
}

const example = '`dataset_path: json` and `dataset_kwargs: {data_files: {test: test.jsonl}}`'

function pathsOf(field: Field): readonly string[] {
  return (Array.isArray(field.value) ? field.list() : [field]).map((own) => {
    const written = own.text()
    if (/^[a-z]+:\/\//i.test(written)) throw own.bad(`"${written}" is not a local file`, 'Fetch it, and name the file.')
    if (/[*?]/.test(written)) throw own.bad(`"${written}" is a pattern`, 'Name each file.')
    const path = resolve(own.folder, written)
    if (!existsSync(path)) {
      const here = existsSync(resolve(written))
        ? ' The working directory, from which the harness starts, does not count.'
        : ''
      throw own.bad(`there is no file "${written}"`, `Paths start from the folder of this file, ${own.folder}.${here}`)
    }
    if (!statSync(path).isFile()) throw own.bad(`"${written}" is not a file`, 'Name the files in it.')
    return path
  })
}

/** How a data set of the Hub becomes a file. */
function remedyFor(name: string, config: unknown, { folder }: Field): string {
  if (existsSync(resolve(folder, name)))
    return `Name its files: \`dataset_path: json\` (or parquet) and \`dataset_kwargs: {data_files: {test: ${name}/FILE}}\`.`
  const arguments_ = [name, ...(typeof config === 'string' ? [config] : [])].map((own) =>
    JSON.stringify(own).replaceAll('"', "'"),
  )
  return `Write each split as a file, once: \`python3 -c "import datasets; datasets.load_dataset(${arguments_.join(', ')})['test'].to_parquet('test.parquet')"\`; then write \`dataset_path: parquet\` and \`dataset_kwargs: {data_files: {test: test.parquet}}\`.`
}

/** Documents of a split, one held at a time. */
export async function* readDocs(paths: readonly string[]): AsyncGenerator<PlacedDoc> {
  for (const path of paths) {
    const remedy = 'Each record is an object: {"question": "…", "answer": "…"}.'
    const look = lookAt(path)
    const rows =
      look.kind === 'parquet'
        ? readParquetRows(path, undefined, [], (bad) => bad('has no columns'))
        : readJsonRecords(path, remedy, look)
    for await (const { fields, json, bad } of rows)
      yield { doc: json === undefined ? fields : (exactJson(json) as Doc), bad }
  }
}

/** Fields that only some documents have are null in the others, as in a table. */
export function asTable(docs: readonly PlacedDoc[]): readonly PlacedDoc[] {
  const names = new Set(docs.flatMap(({ doc }) => Object.keys(doc)))
  const nothing = Object.fromEntries([...names].map((name) => [name, null]))
  return docs.map(({ doc, bad }) => ({ doc: { ...nothing, ...doc }, bad }))
}
