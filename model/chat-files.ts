import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, type JsonObject } from '../api/index.js'
import { refuseIrregular } from '../files/irregular.js'

/** A chat template and the file that contains it. */
export interface TemplateText {
  readonly file: string
  readonly text: string
}

/** The folder for further templates, as transformers names it. */
const others = 'additional_chat_templates'
const mostBytes = 1 << 18
const mostTemplates = 100

/** Names of a folder's files that are chat templates; tokenizer_config.json may contain more. */
export function chatTemplateFiles(folder: string): readonly string[] {
  const further = join(folder, others)
  const named = existsSync(further) && statSync(further).isDirectory() ? readdirSync(further) : []
  const found = named.filter((name) => name.endsWith('.jinja')).sort()
  if (found.length > mostTemplates)
    throw new Failure(
      'InvalidInput',
      `${further} has ${found.length} chat templates, and ${mostTemplates} at most are read`,
      {
        file: further,
        remedy: 'Remove those that are not used.',
      },
    )
  return ['chat_template.jinja', 'chat_template.json']
    .filter((name) => existsSync(join(folder, name)))
    .concat(found.map((name) => `${others}/${name}`))
}

/**
 * Finds a folder's chat templates by name, as transformers does. Files take precedence over the field of
 * tokenizer_config.json: chat_template.jinja is "default", and each file in additional_chat_templates gives its template its
 * name. A processor's chat_template.json counts only if there is nothing else.
 * @param config  tokenizer_config.json, or its equivalent from a GGUF file
 * @param file    the file that `config` was read from
 * @throws Failure InvalidInput naming the file
 */
export function chatTemplates(folder: string, config: JsonObject, file: string): ReadonlyMap<string, TemplateText> {
  const files = file.endsWith('.json') ? chatTemplateFiles(folder) : []
  const templates = new Map<string, TemplateText>()
  for (const name of files) {
    if (!name.endsWith('.jinja')) continue
    const path = join(folder, name)
    const called = name === 'chat_template.jinja' ? 'default' : name.slice(others.length + 1, -'.jinja'.length)
    templates.set(called, { file: path, text: readTemplate(path) })
  }
  if (templates.size > 0) return templates
  if (config.chat_template !== undefined && config.chat_template !== null) return ofField(config.chat_template, file)
  if (!files.includes('chat_template.json')) return templates
  const processors = join(folder, 'chat_template.json')
  let json: unknown
  try {
    json = JSON.parse(readTemplate(processors))
  } catch (error) {
    if (error instanceof Failure) throw error
    throw wrong(processors, `is not JSON: ${(error as Error).message}`)
  }
  const { chat_template: given } = (json ?? {}) as { readonly chat_template?: unknown }
  return ofField(given, processors)
}

const wrong = (file: string, message: string) =>
  new Failure('InvalidInput', `${file}: ${message}`, {
    file,
    remedy: 'Use the chat template that belongs to the model.',
  })

function readTemplate(file: string): string {
  refuseIrregular(file)
  if (statSync(file).size > mostBytes) throw wrong(file, `the chat template has more than ${mostBytes} bytes`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(file))
  } catch {
    throw wrong(file, 'the chat template is not UTF-8')
  }
}

/** Reads the field `chat_template`: a text, or a list of {name, template}. */
function ofField(given: unknown, file: string): ReadonlyMap<string, TemplateText> {
  const checked = (text: string): TemplateText => {
    if (Buffer.byteLength(text) > mostBytes) throw wrong(file, `the chat template has more than ${mostBytes} bytes`)
    return { file, text }
  }
  if (typeof given === 'string') return new Map([['default', checked(given)]])
  const named = Array.isArray(given) ? (given as ({ name?: unknown; template?: unknown } | null)[]) : []
  if (named.length === 0 || named.some((one) => typeof one?.template !== 'string' || typeof one.name !== 'string'))
    throw wrong(file, '"chat_template" is neither a template nor a list of {name, template}')
  return new Map(named.map((one) => [one!.name as string, checked(one!.template as string)]))
}
