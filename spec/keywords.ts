import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { DataValidationCxt } from 'ajv/dist/types/index.js'
import { slots, type Slot } from '../api/block.js'
import { Failure } from '../errors/failure.js'
import { boundedPattern } from './bounded-pattern.js'
import { looksLikeExpression } from './expressions.js'
import { isReadLimit, parseQuantity, quantityExamples, quantityKinds, type QuantityKind } from './units.js'
import { shown } from '../errors/foreign.js'

/** What a validation finds beside mistakes. */
export interface Collected {
  /** Values with a format that is a kind of path. */
  readonly paths: { readonly at: string; readonly kind: PathKind }[]
  /** Values under the keyword `blocks`. */
  readonly blocks: { readonly at: string; readonly slot: Slot }[]
  /** Values under the keyword `runs`. */
  readonly runs: { readonly at: string }[]
  /** Values under the keyword `requires`, and the input without which they mean nothing. */
  readonly requires: { readonly at: string; readonly input: string }[]
  /** Objects under the keyword `program`. */
  readonly programs: { readonly at: string }[]
}

export const pathKinds = ['file', 'folder', 'path', 'model', 'tasks', 'harness'] as const
export type PathKind = (typeof pathKinds)[number]
const isPathKind = (format: string): format is PathKind => (pathKinds as readonly string[]).includes(format)

/** Keywords of JSON Schema beside `quantity`. */
interface NumberBounds {
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly reason?: string
}

/** Why there is a bound, for the end of a message. */
export const because = ({ reason }: { readonly reason?: string | undefined }): string =>
  reason === undefined ? '' : `: ${reason}`

/**
 * ajv with what puzzleflow adds to JSON Schema:
 * - `quantity`: a number with a unit (spec/units.ts), replaced by its value;
 * - `format: file`, `folder` or `path` (either): a path that must exist, made absolute; `model`, `tasks` or `harness`:
 *   the same, of which only what is read of a model, of tasks or of a task of lm-evaluation-harness counts;
 * - `requires`: an input without which the value means nothing;
 * - `reason`: why a number or a list has bounds, for the message;
 * - `program`: an object whose `command` is run with the files of its `sources` (spec/programs.ts);
 * - `blocks`: a slot; the value is an entry of the spec's `space`;
 * - `runs`: the value is an entry of the spec's `space.runs`.
 */
export function makeAjv(): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors: true,
    useDefaults: true,
    verbose: true,
    passContext: true,
    strict: false,
    logger: false,
    code: { regExp: boundedPattern },
  })
  ajv.addKeyword({
    keyword: 'quantity',
    modifying: true,
    errors: true,
    metaSchema: { enum: [...quantityKinds] },
    validate: function quantity(
      kind: QuantityKind,
      data: unknown,
      { exclusiveMinimum: least = -1, maximum: most = Infinity, reason }: NumberBounds = {},
      context?: DataValidationCxt,
    ): boolean {
      // An expression is resolved when the stage runs.
      if (looksLikeExpression(data)) return true
      // A limit that was read already, in a plan or by an earlier pass.
      if (typeof data === 'object' && data !== null && isReadLimit(kind, data)) return true
      if (data === null) {
        fail(quantity, 'quantity', 'the value is missing.', `allowed: ${quantityExamples(kind)}`)
        return false
      }
      if (typeof data === 'object') {
        fail(
          quantity,
          'quantity',
          `it must be a quantity, not ${Array.isArray(data) ? 'a list' : 'a map'}.`,
          `allowed: ${quantityExamples(kind)}`,
        )
        return false
      }
      const parsed = parseQuantity(kind, typeof data === 'number' ? data : `${data as string | boolean}`)
      if ('error' in parsed) {
        fail(quantity, 'quantity', parsed.error, parsed.hint)
        return false
      }
      // ajv has looked at numbers before.
      if (typeof data === 'string' && typeof parsed.value === 'number' && parsed.value <= least) {
        fail(quantity, 'quantity', `${shown(data)} must be above ${least}.`)
        return false
      }
      if (typeof data === 'string' && typeof parsed.value === 'number' && parsed.value > most) {
        fail(quantity, 'quantity', `${shown(data)} is more than ${most}${because({ reason })}.`)
        return false
      }
      if (context) (context.parentData as Record<string, unknown>)[context.parentDataProperty] = parsed.value
      return true
    },
  })
  ajv.removeKeyword('format')
  ajv.addKeyword({
    keyword: 'format',
    type: 'string',
    errors: true,
    validate: function format(
      this: Collected,
      kind: string,
      data: string,
      _schema: unknown,
      context?: DataValidationCxt,
    ): boolean {
      if (!isPathKind(kind)) return true
      if (data === '') {
        fail(format, 'format', 'must not be empty.')
        return false
      }
      if (!looksLikeExpression(data)) this.paths.push({ at: context?.instancePath ?? '', kind })
      return true
    },
  })
  ajv.addKeyword({
    keyword: 'blocks',
    metaSchema: { enum: [...slots] },
    validate: function (this: Collected, slot: Slot, _data: unknown, _schema: unknown, context?: DataValidationCxt) {
      this.blocks.push({ at: context?.instancePath ?? '', slot })
      return true
    },
  })
  ajv.addKeyword({
    keyword: 'requires',
    metaSchema: { type: 'string' },
    validate: function (this: Collected, input: string, _data: unknown, _schema: unknown, context?: DataValidationCxt) {
      this.requires.push({ at: context?.instancePath ?? '', input })
      return true
    },
  })
  for (const [keyword, kind] of [
    ['program', 'programs'],
    ['runs', 'runs'],
  ] as const)
    ajv.addKeyword({
      keyword,
      metaSchema: { const: true },
      validate: function (
        this: Collected,
        _schema: true,
        _data: unknown,
        _parent?: unknown,
        context?: DataValidationCxt,
      ) {
        this[kind].push({ at: context?.instancePath ?? '' })
        return true
      },
    })
  return ajv
}

/** ajv reads the errors of a keyword from its function. */
function fail(keyword: object, name: string, message: string, hint?: string): void {
  ;(keyword as { errors?: unknown }).errors = [{ keyword: name, message, params: { hint } }]
}

const ajv = makeAjv()
/** By the schema's text: a pipeline's schemas are parsed anew each time it is read. */
const compiled = new Map<string, ValidateFunction>()

/**
 * The validator of a schema, compiled once.
 * @param name  of what the schema describes
 * @throws Failure when it is not a JSON Schema
 */
export function validatorOf(schema: object, name: string): ValidateFunction {
  // A draft's name would make ajv look for its meta-schema; the differences between drafts do not matter here.
  const text = JSON.stringify({ ...schema, $schema: undefined, $id: undefined })
  let validate = compiled.get(text)
  if (!validate) {
    try {
      validate = ajv.compile(JSON.parse(text) as object)
    } catch (cause) {
      throw new Failure('PluginBug', `The schema of ${name} is not a valid JSON Schema: ${(cause as Error).message}`, {
        cause,
      })
    }
    compiled.set(text, validate)
  }
  return validate
}
