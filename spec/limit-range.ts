import { Failure } from '../errors/failure.js'
import { suggest } from './diagnostics.js'
import type { SourceDocument } from './document.js'
import { parseQuantity, quantityExamples, type Limit, type QuantityKind } from './units.js'
import { entryOf } from '../errors/foreign.js'

/** A limit that takes several values in turn: from the smaller value to the larger one. */
export interface LimitRange {
  readonly name: string
  readonly from: Limit
  readonly to: Limit
}

/** What `NAME=FROM..TO` or `NAME=VALUE` says. */
export type LimitOption = { readonly kind: 'range'; readonly range: LimitRange } | FixedLimit

/** A limit with one value. */
interface FixedLimit {
  readonly kind: 'fixed'
  readonly name: string
  readonly limit: Limit
}

/** The limits that a pipeline declares as its input `target.limits`: their kinds of quantities, by name.
 *  @param document  of the pipeline */
export function limitKinds({ data }: Pick<SourceDocument, 'data'>): Readonly<Record<string, QuantityKind>> {
  type Schemas = Readonly<Record<string, Schema>>
  type Schema = { readonly $ref?: string; readonly properties?: Schemas; readonly quantity?: QuantityKind }
  const { target, $defs = {} } = (data as { readonly inputs?: Schemas & { readonly $defs?: Schemas } }).inputs ?? {}
  const written = target?.properties?.limits
  const limits = ($defs[written?.$ref?.replace('#/$defs/', '') ?? ''] ?? written)?.properties ?? {}
  return Object.fromEntries(
    Object.entries(limits).flatMap(([name, { quantity }]) => (quantity ? [[name, quantity]] : [])),
  )
}

/**
 * Reads `throughput=1.5x..4x` or `memory=80%`, with the quantities of specs. A FROM without a unit has TO's: `1..2k` begins
 * at 1,000, and `500..2k` at 500.
 * @throws Failure InvalidInput with a remedy
 */
export function parseLimitOption(text: string, kinds: Readonly<Record<string, QuantityKind>>): LimitOption {
  const bad = (message: string, remedy: string) =>
    new Failure('InvalidInput', `--limit ${text}: ${message.replace(/\.$/, '')}`, { remedy })
  const at = text.indexOf('=')
  const name = text.slice(0, Math.max(at, 0)).trim()
  if (name === '') throw bad('it must be NAME=FROM..TO or NAME=VALUE', 'For instance: --limit throughput=1.5x..4x.')
  const kind = entryOf(kinds, name)
  if (kind === undefined) {
    const meant = suggest(name, Object.keys(kinds))
    throw bad(`there is no limit "${name}"`, `Limits: ${Object.keys(kinds).join(', ')}${meant ? ` (${meant})` : ''}.`)
  }
  const read = (quantity: string): Limit => {
    const parsed = parseQuantity(kind, quantity)
    // The kinds of limits have no other values.
    if ('value' in parsed) return parsed.value as Limit
    throw bad(parsed.error, `Allowed: ${quantityExamples(kind)}.`)
  }
  const value = text.slice(at + 1).trim()
  const dots = value.indexOf('..')
  if (dots < 0) return { kind: 'fixed', name, limit: read(value) }
  const [first, last] = [value.slice(0, dots), value.slice(dots + 2)]
  const to = read(last)
  const withUnit = read(withUnitOf(first, last))
  // 500..2k begins at 500, 1..2k at 1k.
  const plainly = withUnitOf(first, last.replace(/([\d._])\s*[kKMGBT](?=\s*$|\s+tokens)/, '$1'))
  const from = withUnit.value < to.value ? withUnit : read(plainly)
  if (from.unit !== to.unit)
    throw bad(
      'one end is relative to the parent, the other is not',
      'Write both as shares of the parent, or both absolutely.',
    )
  if (!(from.value < to.value))
    throw bad(
      'FROM must be less than TO',
      from.value > to.value
        ? `Write the smaller value first: --limit ${name}=${last.trim()}..${first.trim()}.`
        : `To fix this limit, write --limit ${name}=${last.trim()}.`,
    )
  return { kind: 'range', range: { name, from, to } }
}

/** `1.5` with the unit of `4x`. */
const withUnitOf = (from: string, to: string): string =>
  /^[\s<>=]*[\d._]+\s*$/.test(from) ? from + to.replace(/^[\s<>=]*[\d._]+(?:[eE][+-]?\d+)?/, '') : from

/** Largest number of points: each one is solved and measured separately. */
export const mostPoints = 1000

/**
 * The values of a sweep's points, from the smallest to the largest. Each is the same multiple of the one before it, since what
 * counts of speeds and sizes is their ratio; those between the ends are rounded to four digits.
 * @throws Failure InvalidInput if there are too many points for the range
 */
export function spacedValues({ from, to }: LimitRange, points: number): readonly number[] {
  const step = (to.value / from.value) ** (1 / (points - 1))
  const inner = Array.from({ length: points - 2 }, (_, i) => Number((from.value * step ** (i + 1)).toPrecision(4)))
  const values = [from.value, ...inner, to.value]
  if (points > mostPoints || values.some((value, i) => i > 0 && value <= values[i - 1]!))
    throw new Failure('InvalidInput', `The range has no room for ${points} different points`, {
      remedy: `Ask for fewer points (at most ${mostPoints}), or for a wider range.`,
    })
  return values
}
