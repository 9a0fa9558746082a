import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Failure } from '../../api/index.js'
import { refuseIrregular } from '../../files/irregular.js'
import type { Diagnostic } from '../../spec/diagnostics.js'
import { readDocument } from '../../spec/document.js'
import { readSpecText } from '../../spec/spec-text.js'
import { Field, sentence } from './field.js'

/** Most files that a task is made of. */
const mostFiles = 16

/** The keys of a task of lm-evaluation-harness, those of the files that it includes below its own. */
export interface YamlTask {
  readonly fields: ReadonlyMap<string, Field>
  /** The files that were read. */
  readonly files: readonly string[]
}

/**
 * Reads a task's YAML and what it includes. Nothing of it is run: `!function` tags are refused.
 * @throws Failure InvalidInput with file, line and column
 */
export async function readYamlTask(file: string): Promise<YamlTask> {
  const files: string[] = []
  const read = async (path: string, open: readonly string[]): Promise<Map<string, Field>> => {
    if (files.length === mostFiles)
      throw new Failure('InvalidInput', `${file}: includes more than ${mostFiles} files`, { file })
    if (!files.includes(path)) files.push(path)
    const fields = await fieldsOf(path)
    const merged = new Map<string, Field>()
    const include = fields.get('include')
    for (const own of include === undefined ? [] : Array.isArray(include.value) ? include.list() : [include]) {
      const next = resolve(own.folder, own.text())
      if (open.includes(next) || next === path) throw own.bad(`"${own.text()}" includes itself`, 'Remove this line.')
      if (!existsSync(next))
        throw own.bad(`there is no file "${own.text()}"`, `Paths start from the folder of this file, ${own.folder}.`)
      for (const [key, field] of await read(next, [...open, path])) merged.set(key, field)
    }
    for (const [key, field] of fields) if (key !== 'include') merged.set(key, field)
    return merged
  }
  const fields = await read(resolve(file), [])
  if (fields.size === 0)
    throw new Failure('InvalidInput', `${file}: has no keys`, { file, remedy: "Give the path of a task's YAML file." })
  return { fields, files }
}

async function fieldsOf(file: string): Promise<ReadonlyMap<string, Field>> {
  refuseIrregular(file)
  const read = await readSpecText(file)
  if (!('text' in read)) {
    const { message, hint } = read.problem
    throw new Failure('InvalidInput', message.replace(/\.$/, ''), {
      file,
      remedy: hint === undefined ? "Give the path of a task's YAML file." : sentence(hint),
    })
  }
  const document = readDocument(file, read.text)
  for (const found of document.diagnostics) throw functionTag(found, read.text) ?? failed(found)
  return new Field(document.data, document, []).entries()
}

const failed = ({ file, line, column, message, hint }: Diagnostic): Failure =>
  new Failure('InvalidInput', `${file}:${line}:${column}: ${message.replace(/\.$/, '')}`, {
    file,
    remedy: hint === undefined ? 'Correct this line.' : sentence(hint),
  })

/** Python code in a task. */
function functionTag({ file, line, code }: Diagnostic, text: string): Failure | undefined {
  const [, key, name] =
    /^\s*(?:-\s+)?(?:([\w-]+)\s*:)?.*?!function\s+(\S+)/.exec(text.split(/\r?\n/)[line - 1] ?? '') ?? []
  if (code !== 'unknown-tag' || name === undefined) return undefined
  const column = text.split(/\r?\n/)[line - 1]!.indexOf('!function') + 1
  return new Failure(
    'InvalidInput',
    `${file}:${line}:${column}: ${key === undefined ? '' : `${key} is `}!function ${name}, Python code, which is not run`,
    {
      file,
      remedy:
        'Write what the function makes as fields of the data file, once and with Python, and use Jinja templates over them.',
    },
  )
}
