import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { Failure } from '../errors/failure.js'
import { readSchema } from '../schemas/read.js'
import type { Problem } from './problem.js'
import { shown } from '../errors/foreign.js'

/** Mistakes listed in one message; the rest are only counted. */
const shownMistakes = 5

/** Sums of larger numbers might overflow. */
const largest = 1e150

let validator: ReturnType<Ajv2020['compile']> | undefined

/**
 * Validates a problem: its form (schemas/problem.schema.json), finite numbers, ids unique within a layer, limits only on costs
 * that all options have, spans within the layers, and requirements that can be met.
 *
 * @param data  parsed JSON, returned unchanged
 * @param file  where the data came from, for messages
 * @throws Failure `InvalidInput` that names path, layer and option of each mistake
 */
export function readProblem(data: unknown, file?: string): Problem {
  // `strict: false` also turns off strictNumbers, without which NaN and infinity count as numbers.
  validator ??= new Ajv2020({ allErrors: true, strict: false, strictNumbers: true, verbose: true }).compile(
    readSchema('problem'),
  )
  const mistakes = validator(data)
    ? mistakesOf(data as Problem)
    : (validator.errors ?? []).map((error) => describe(error, data))
  if (mistakes.length === 0) return data as Problem
  const more = mistakes.length > shownMistakes ? [`… and ${mistakes.length - shownMistakes} more.`] : []
  throw new Failure(
    'InvalidInput',
    ['The problem is invalid.', ...mistakes.slice(0, shownMistakes), ...more].join('\n'),
    {
      remedy: 'Correct the problem; schemas/problem.schema.json describes its form (`npx puzzleflow schema problem`).',
      ...(file === undefined ? {} : { file }),
    },
  )
}

/** Mistakes that a schema cannot describe. */
function mistakesOf(problem: Problem): string[] {
  const mistakes: string[] = []
  const size = (value: number, path: string) => {
    if (Math.abs(value) > largest) mistakes.push(`${path}: ${value} is too large (at most ${largest}).`)
  }
  for (const [i, { options }] of problem.layers.entries()) {
    const seen = new Map<string, number>()
    for (const [j, option] of options.entries()) {
      const path = `layers[${i}].options[${j}]`
      const name = named(i, option.id)
      const earlier = seen.get(option.id)
      if (earlier !== undefined) mistakes.push(`${path}.id${name}: option ${earlier} has the same id.`)
      seen.set(option.id, j)
      size(option.score, `${path}.score${name}`)
      for (const [cost, value] of Object.entries(option.costs)) size(value, `${path}.costs${member(cost)}${name}`)
      mistakes.push(...linkMistakes(problem, i, j))
      for (const { cost } of problem.limits ?? [])
        if (!Object.hasOwn(option.costs, cost))
          mistakes.push(`${path}.costs${name}: the cost ${shown(cost)} is missing, but a limit applies to it.`)
    }
  }
  for (const [i, limit] of (problem.limits ?? []).entries()) size(limit.max, `limits[${i}].max`)
  return mistakes
}

/** Mistakes in the span and the requirements of an option. */
function linkMistakes({ layers }: Problem, i: number, j: number): string[] {
  const { id, span = 1, requires = [] } = layers[i]!.options[j]!
  const path = `layers[${i}].options[${j}]`
  const name = named(i, id)
  const mistakes: string[] = []
  if (i + span > layers.length) {
    const left = layers.length - i
    mistakes.push(
      `${path}.span${name}: a run of ${span} layers does not fit; only ${left} ${left === 1 ? 'layer is' : 'layers are'} left here.`,
    )
  }
  for (const [r, { layer, option }] of requires.entries()) {
    const wrong = (message: string) => mistakes.push(`${path}.requires[${r}]${name}: ${message}`)
    const other = layers[layer]
    if (!other) wrong(`there is no layer ${layer}; the last is ${layers.length - 1}.`)
    else if (!other.options.some((candidate) => candidate.id === option))
      wrong(`layer ${layer} has no option ${shown(option)}.`)
    else if (layer === i && option !== id) wrong('two options of the same layer cannot be chosen together.')
    else if (layer > i && layer < i + span) wrong(`this option already covers layer ${layer}.`)
  }
  return mistakes
}

function describe(error: ErrorObject, data: unknown): string {
  const parts = error.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const path = parts.map((part, i) => (/^\d+$/.test(part) ? `[${part}]` : i === 0 ? part : member(part))).join('')
  const where = `${path === '' ? 'The problem' : path}${optionAt(parts, data)}`
  const params = error.params as Record<string, unknown>
  switch (error.keyword) {
    case 'type': {
      if (typeof error.data === 'number' && !Number.isFinite(error.data))
        return `${where}: must be a finite number, not ${error.data}.`
      return `${where}: must be ${article(String(params['type']))}, not ${kindOrValue(error.data)}.`
    }
    case 'required':
      return `${where}: "${String(params['missingProperty'])}" is missing.`
    case 'additionalProperties':
      return `${where}: the key "${String(params['additionalProperty'])}" is unknown.`
    case 'const':
      return `${where}: must be ${shown(params['allowedValue'])}, not ${kindOrValue(error.data)}.`
    default:
      return `${where}: ${error.message ?? 'is invalid'}, not ${kindOrValue(error.data)}.`
  }
}

/** ` (layer 3, option "swiglu-256")` for a path inside an option that has an id. */
function optionAt(parts: readonly string[], data: unknown): string {
  if (parts[0] !== 'layers' || parts[2] !== 'options' || parts[3] === undefined) return ''
  const option = parts.slice(0, 4).reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], data)
  const id = typeof option === 'object' && option !== null ? (option as { id?: unknown }).id : undefined
  return typeof id === 'string' ? named(Number(parts[1]), id) : ''
}

const named = (layer: number, id: string) => ` (layer ${layer}, option ${shown(id)})`
const member = (key: string) => (/^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${shown(key)}]`)
const article = (type: string) =>
  type === 'number' ? 'a finite number' : `${/^[aeio]/.test(type) ? 'an' : 'a'} ${type}`

function kindOrValue(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  return shown(value)
}
