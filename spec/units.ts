import { entryOf, shown } from '../errors/foreign.js'

/** Kinds of quantity that a schema may ask for with its keyword `quantity`. */
export const quantityKinds = [
  'count',
  'number',
  'tokens',
  'bytes',
  'fraction',
  'duration',
  'throughput-limit',
  'memory-limit',
  'latency-limit',
  'prefill-limit',
  'token-latency-limit',
  'parameters-limit',
  'quality-limit',
  'perplexity-limit',
  'kl-limit',
] as const
export type QuantityKind = (typeof quantityKinds)[number]

/** A limit as plans hold it. */
export type Limit = {
  readonly bound: 'min' | 'max'
  readonly value: number
  /** `parent`: a multiple of the parent's value (0.7 for 70%). */
  readonly unit: 'parent' | 'tokens/s' | 'bytes' | 'seconds' | 'parameters' | 'accuracy' | 'perplexity' | 'nats'
}

export type Quantity = number | Limit
export type Parsed<T> = { readonly value: T } | { readonly error: string; readonly hint: string }

const scales: Readonly<Record<string, number>> = { '': 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9, B: 1e9, T: 1e12 }
// A number alone is in the unit of plans, so that defaults and values that were read before pass unchanged.
const bytes: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}
const seconds: Readonly<Record<string, number>> = {
  '': 1,
  ms: 1e-3,
  s: 1,
  seconds: 1,
  min: 60,
  minutes: 60,
  h: 3600,
  hours: 3600,
  d: 86400,
  days: 86400,
}

interface Units {
  /** Factor by unit as written; '' for none. */
  readonly factors: Readonly<Record<string, number>>
  readonly integer?: boolean
  readonly minimum?: number
  readonly maximum?: number
  /** What to write instead. */
  readonly examples: string
}

const withWord = (word: string): Readonly<Record<string, number>> => ({
  ...scales,
  ...Object.fromEntries(Object.entries(scales).map(([scale, factor]) => [`${scale} ${word}`.trim(), factor])),
})

const simple = {
  count: { factors: scales, integer: true, examples: '50000, 50k, 1.5M' },
  number: { factors: { ...scales, '%': 0.01 }, examples: '0.2, 20%, 1.5k' },
  tokens: { factors: withWord('tokens'), integer: true, minimum: 1, maximum: 1e13, examples: '50000, 50k, 1.5M' },
  bytes: { factors: bytes, integer: true, maximum: 2 ** 50, examples: '500 MiB, 80 GiB, 80 GB' },
  fraction: { factors: { '%': 0.01, '': 1 }, maximum: 1, examples: '20%, 0.2' },
  // Limits do not know `m`: there it would more probably be a mistyped `ms`, and be met by anything.
  duration: { factors: { ...seconds, m: 60 }, maximum: 10 * 365 * 86_400, examples: '500 ms, 90 s, 5 min, 2 h, 3 d' },
} as const satisfies Partial<Record<QuantityKind, Units>>

const relative = { '%': 0.01, x: 1 }
/** Multiples of the parent's value beyond which a limit is a typing error: `170x` for `170%`. None: it cannot be a multiple. */
const mostTimes: Readonly<Partial<Record<QuantityKind, number>>> = {
  'throughput-limit': 1000,
  'memory-limit': 10,
  'latency-limit': 10,
  'prefill-limit': 10,
  'token-latency-limit': 10,
  'parameters-limit': 10,
  'quality-limit': 2,
  'perplexity-limit': 10,
}
const time = { bound: 'max', unit: 'seconds', factors: seconds } as const
const limits = {
  'throughput-limit': {
    bound: 'min',
    unit: 'tokens/s',
    factors: { 'tokens/s': 1, 'k tokens/s': 1e3 },
    examples: '">= 1.7x", ">= 170%", "5500 tokens/s"',
  },
  'memory-limit': { bound: 'max', unit: 'bytes', factors: bytes, examples: '"<= 70%", "<= 0.7x", "80 GiB", "500 MB"' },
  'latency-limit': { ...time, examples: '"<= 60%", "<= 0.6x", "500 ms", "2 s"' },
  'prefill-limit': { ...time, examples: '"<= 60%", "<= 0.6x", "200 ms", "2 s"' },
  'token-latency-limit': { ...time, examples: '"<= 60%", "<= 0.6x", "12 ms", "0.05 s"' },
  'parameters-limit': {
    bound: 'max',
    unit: 'parameters',
    factors: withWord('parameters'),
    examples: '"<= 70%", "<= 0.7x", "6B", "500M"',
  },
  'quality-limit': { bound: 'min', unit: 'accuracy', factors: {}, examples: '">= 97%", ">= 0.97x"' },
  'perplexity-limit': { bound: 'max', unit: 'perplexity', factors: {}, examples: '"<= 1.1x", "<= 110%"' },
  // The parent's is 0.
  'kl-limit': { bound: 'max', unit: 'nats', factors: { '': 1, nats: 1 }, examples: '"<= 0.05 nats", "<= 0.05"' },
} as const satisfies Partial<
  Record<QuantityKind, Pick<Limit, 'bound' | 'unit'> & { factors: Readonly<Record<string, number>>; examples: string }>
>

const isLimit = (kind: QuantityKind): kind is keyof typeof limits => kind in limits

/** Reads a quantity as a spec writes it: `50k`, `80 GiB`, `20%`, `>= 1.7x`. Bytes, seconds, fractions (0.2 for 20%). */
export function parseQuantity(kind: QuantityKind, text: string | number): Parsed<Quantity> {
  return isLimit(kind) ? parseLimit(kind, text) : parseSimple(kind, text)
}

/** What may be written for a quantity of this kind. */
export function quantityExamples(kind: QuantityKind): string {
  return isLimit(kind) ? limits[kind].examples : simple[kind].examples
}

function parseSimple(kind: keyof typeof simple, written: string | number): Parsed<number> {
  const { factors, integer, minimum, maximum, examples }: Units = simple[kind]
  const hint = `allowed: ${examples}`
  const parts = split(written)
  const notValid = `${shown(written)} is not a valid ${names[kind]}`
  if (!parts || parts.operator) return { error: `${notValid}.`, hint }
  const factor = entryOf(factors, parts.unit)
  if (factor === undefined) return unitError(notValid, parts.unit, hint)
  const value = tidy(parts.number * factor)
  if (!Number.isFinite(value)) return { error: `${notValid}: it is too large.`, hint }
  if (integer && !Number.isSafeInteger(value)) return { error: `${notValid}: it is not a whole number.`, hint }
  if (minimum !== undefined && value < minimum) return { error: `${notValid}: it is less than ${minimum}.`, hint }
  if (maximum !== undefined && value > maximum) return { error: `${notValid}: it is more than ${maximum}.`, hint }
  return { value }
}

// The factors of bytes and seconds have one for numbers alone, which are quantities of plans.
const needsUnit = (unit: Limit['unit']): boolean => unit === 'bytes' || unit === 'seconds'

/** Whether a value is a limit of this kind as plans hold it. */
export function isReadLimit(kind: QuantityKind, value: object): boolean {
  if (!isLimit(kind) || Object.keys(value).sort().join() !== 'bound,unit,value') return false
  const { bound, unit, value: amount } = value as Record<keyof Limit, unknown>
  const known = limits[kind]
  const inUnit = unit === 'parent' ? mostTimes[kind] !== undefined : unit === known.unit
  return bound === known.bound && inUnit && typeof amount === 'number' && amount > 0 && Number.isFinite(amount)
}

function parseLimit(kind: keyof typeof limits, written: string | number): Parsed<Limit> {
  const { bound, unit, factors, examples } = limits[kind]
  const hint = `allowed: ${examples}`
  const parts = split(written)
  const notValid = `${shown(written)} is not a valid ${names[kind]}`
  if (!parts) return { error: `${notValid}.`, hint }
  const wanted = bound === 'min' ? '>=' : '<='
  if (parts.operator && parts.operator !== wanted)
    return { error: `${notValid}: it must be ${bound === 'min' ? 'a lower' : 'an upper'} bound (${wanted}).`, hint }
  if (!(parts.number > 0)) return { error: `${notValid}: it must be above 0.`, hint }
  const most = mostTimes[kind]
  const times = most === undefined ? undefined : entryOf(relative, parts.unit)
  const factor = entryOf(factors, parts.unit) ?? times
  if (factor === undefined || (parts.unit === '' && needsUnit(unit))) return unitError(notValid, parts.unit, hint)
  const value = tidy(parts.number * factor)
  if (!Number.isFinite(value)) return { error: `${notValid}: it is too large.`, hint }
  if (most === undefined || times === undefined) return { value: { bound, value, unit } }
  if (value > most) return { error: `${notValid}: it is more than ${most} times the parent's value.`, hint }
  return { value: { bound, value, unit: 'parent' } }
}

const names: Readonly<Record<QuantityKind, string>> = {
  count: 'count',
  number: 'number',
  tokens: 'number of tokens',
  bytes: 'number of bytes',
  fraction: 'fraction',
  duration: 'duration',
  'throughput-limit': 'limit on throughput',
  'memory-limit': 'limit on memory',
  'latency-limit': 'limit on latency',
  'prefill-limit': 'limit on prefill',
  'token-latency-limit': 'limit on token latency',
  'parameters-limit': 'limit on parameters',
  'quality-limit': 'quality floor',
  'perplexity-limit': 'limit on perplexity',
  'kl-limit': 'limit on the KL',
}

function unitError(what: string, unit: string, hint: string): { error: string; hint: string } {
  return { error: unit === '' ? `${what}: it has no unit.` : `${what}: unknown unit "${unit}".`, hint }
}

/** `>= 1.7 x` to its parts. */
function split(written: string | number): { operator: string; number: number; unit: string } | undefined {
  if (typeof written === 'number') return written >= 0 ? { operator: '', number: written, unit: '' } : undefined
  const match = /^\s*([<>]=?|=)?\s*((?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*?)?\s*$/.exec(written)
  if (!match) return undefined
  const operator = match[1] ?? ''
  const number = Number(match[2]!.replaceAll('_', ''))
  return Number.isFinite(number) ? { operator, number, unit: (match[3] ?? '').replace(/\s+/g, ' ') } : undefined
}

/** 0.7 rather than 0.7000000000000001. */
const tidy = (value: number) => Number(value.toPrecision(15))

const symbols = { min: '>=', max: '<=' }

/** A limit as a person writes it: `>= 1.7x`, `<= 70%`, `<= 80 GiB`. */
export function formatLimit({ bound, value, unit }: Limit): string {
  const symbol = symbols[bound]
  if (unit === 'parent') return bound === 'min' && value > 1 ? `${symbol} ${value}x` : `${symbol} ${tidy(value * 100)}%`
  if (unit === 'bytes') {
    const scale = (['TiB', 'GiB', 'MiB', 'KiB'] as const).find((name) => value >= bytes[name]!) ?? 'B'
    return `${symbol} ${Number((value / bytes[scale]!).toFixed(2))} ${scale}`
  }
  return `${symbol} ${value} ${unit === 'seconds' ? 's' : unit}`
}
