// Workflows resolve expressions: nothing here may lead to an import of node.
import type { Json, JsonObject } from '../api/block.js'
import { Failure } from '../errors/failure.js'
import { entryOf } from '../errors/foreign.js'

/** `${{ stages.NAME.outputs.PATH }}`: a value (or with `files.` an artifact) that a stage left behind. */
export interface Expression {
  readonly stage: string
  /** Below `outputs`; `['files', name]` is an artifact, all else is a path in `values`. */
  readonly path: readonly string[]
}

const form = /^\$\{\{\s*stages\.([A-Za-z][A-Za-z0-9_-]*)\.outputs((?:\.[A-Za-z0-9_-]+)+)\s*\}\}$/

/** Whether a value has the marks of an expression, well-formed or not. */
export const looksLikeExpression = (value: unknown): value is string =>
  typeof value === 'string' && value.includes('${{')

/** Undefined when the text is not a well-formed expression. An expression is the whole text. */
export function parseExpression(text: string): Expression | undefined {
  const match = form.exec(text.trim())
  return match ? { stage: match[1]!, path: match[2]!.slice(1).split('.') } : undefined
}

/** What is wrong with a text that has the marks of an expression. */
export function explainExpression(text: string): { message: string; hint: string } {
  const hint = 'write ${{ stages.NAME.outputs.PATH }}'
  const inner = /\$\{\{(.*?)\}\}/.exec(text)
  if (!inner) return { message: 'The expression is not closed with }}.', hint }
  if (inner[0].length !== text.trim().length)
    return { message: 'An expression must be the whole value, with nothing before or after it.', hint }
  return { message: `"${inner[1]!.trim()}" is not a valid expression.`, hint }
}

/** Every expression in the parameters, with its path. */
export function findExpressions(
  value: Json,
  path: readonly (string | number)[] = [],
): readonly { readonly path: readonly (string | number)[]; readonly text: string }[] {
  if (looksLikeExpression(value)) return [{ path, text: value }]
  if (typeof value !== 'object' || value === null) return []
  return Array.isArray(value)
    ? value.flatMap((item: Json, i) => findExpressions(item, [...path, i]))
    : Object.entries(value).flatMap(([key, item]) => findExpressions(item, [...path, key]))
}

/** Where expressions are that may not be there: they stand for parameters of stages alone.
 *  @param allowed  whether one may be at a path */
export const misplacedExpressions = (
  data: JsonObject,
  allowed: (path: readonly (string | number)[]) => boolean,
): readonly { readonly path: readonly (string | number)[]; readonly code: string; readonly message: string }[] =>
  findExpressions(data).flatMap(({ path, text }) =>
    allowed(path)
      ? []
      : [
          {
            path,
            code: 'misplaced-expression',
            message: `${text} is an expression, which can only stand for a parameter of a stage.`,
          },
        ],
  )

/** What stages left behind, as `Outputs` of the plugin API. */
export type StageOutputs = Readonly<
  Record<string, { readonly values: JsonObject; readonly files: Readonly<Record<string, unknown>> }>
>

/**
 * The parameters with every expression replaced by what it stands for.
 * @param outputs  of all stages before this one, by the name by which it finds them
 * @param nameOf   that name of a stage. Default: the stage's
 * @throws Failure naming the expression, when a stage left no such value
 */
export function resolveExpressions(
  params: JsonObject,
  outputs: StageOutputs,
  nameOf: (stage: string) => string = (stage) => stage,
): JsonObject {
  const resolve = (value: Json): Json => {
    if (looksLikeExpression(value)) return lookUp(value, outputs, nameOf)
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map(resolve)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item)]))
  }
  return resolve(params) as JsonObject
}

function lookUp(text: string, outputs: StageOutputs, nameOf: (stage: string) => string): Json {
  const expression = parseExpression(text)
  if (!expression) throw new Error(`Internal error: ${text} was not checked`)
  const stage = entryOf(outputs, nameOf(expression.stage))
  const [first, ...rest] = expression.path
  const isFile = first === 'files'
  let value: unknown = isFile ? stage?.files : stage?.values
  // Names of artifacts may have dots.
  for (const part of isFile ? (rest.length === 0 ? [] : [rest.join('.')]) : expression.path)
    value = typeof value === 'object' && value !== null ? entryOf(value, part) : undefined
  if (value !== undefined) return value as Json
  const message = `${text}: stage ${expression.stage} has no output "${expression.path.join('.')}"`
  throw new Failure('InvalidInput', message, { remedy: remedy(stage) })
}

function remedy(stage: StageOutputs[string] | undefined): string {
  const names = [...Object.keys(stage?.values ?? {}), ...Object.keys(stage?.files ?? {}).map((name) => `files.${name}`)]
  return names.length > 0 ? `It has ${names.sort().join(', ')}.` : 'It has no outputs.'
}
