import { basename, dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure } from '../api/index.js'

/** What is checked, each with the mistake that is behind most failures. */
export const usualCauses = {
  variants: '`variants` or `id` leaves out a parameter, or a parameter is no JSON (undefined, a function, NaN)',
  shapes:
    '`shapes`, `state` or `learnsFirst` depends on something else than facts and parameters, or names a weight that is not there',
  initialise:
    '`initialise` draws random numbers, writes into the weights of the parent, or counts a size in another way than `shapes`',
  forward: 'a constant of another type than x (use x.dtype), or a size that holds for one batch or length only',
  gradient: 'a node emitted without a rule, or a rule that is not the derivative of what the node computes',
  decoding:
    'the state lacks something that later tokens need, `past` is not looked at, positions are counted from the chunk’s begin, or a mask is left out',
  causality: 'no causal mask, or one that is off by one; sums or norms taken over all tokens',
  batch: 'something is mixed over sequences: a reshape that joins batch and another axis, or a mean over all rows',
  length:
    'something depends on the number of tokens in the chunk: a mean over tokens, or a position counted from the end',
  repeatable: '`forward` draws random numbers, or remembers something from call to call',
  decoder:
    'the state that `forward` returns is not what `state` declares, or another number of tokens is expected than there is',
  checkpoint:
    '`shapes` depends on sizes that another block in the layer changes, or the parameters lose something as JSON',
  costs: '`shapes` or `state` says other sizes than the weights and states have',
  start: '`initialise` ignores the parent’s weights, mixes up their axes ([in, out]), or scales them wrongly',
} as const

export type CheckName = keyof typeof usualCauses

const cause = ' Usual cause: '

/** What one check found of one variant. */
export interface Finding {
  readonly check: CheckName
  /** The variant's id and the parent it was made for; the type's name where it is of all variants. */
  readonly variant: string
  readonly ok: boolean
  /** How far it is off, or how many things are wrong; NaN where the check could not be done. */
  readonly figure: number
  readonly message: string
}

/** A figure and how large it may be. */
export interface Measure {
  readonly what: string
  readonly figure: number
  readonly allowed: number
}

/** Everything that was found of a block type. */
export class BlockReport {
  constructor(
    readonly type: string,
    readonly findings: readonly Finding[],
  ) {}

  get failures(): readonly Finding[] {
    return this.findings.filter(({ ok }) => !ok)
  }

  /** @throws Failure PluginBug with a line for everything that failed; causes are told once */
  throwIfFailed(): void {
    const { failures, findings, type } = this
    if (failures.length === 0) return
    const told = new Set<CheckName>()
    const lines = failures.map(({ check, message }) => {
      const text = told.has(check) ? message.slice(0, message.indexOf(cause)) : message
      told.add(check)
      return `  ${text}`
    })
    throw new Failure(
      'PluginBug',
      [`${failures.length} of ${findings.length} checks of block type "${type}" failed:`, ...lines].join('\n'),
    )
  }
}

/** A measure as a finding. */
export function finding(check: CheckName, variant: string, { what, figure, allowed }: Measure): Finding {
  // Not `figure > allowed`: what is no number is wrong.
  const ok = figure <= allowed
  const numbers = allowed === 0 ? `${show(figure)} wrong` : `${show(figure)}, at most ${show(allowed)} is allowed`
  const message = `${check}, ${variant}: ${what}${ok && allowed === 0 ? '' : `: ${numbers}`}.`
  return { check, variant, ok, figure, message: ok ? message : `${message}${cause}${usualCauses[check]}.` }
}

/** A check that threw. */
export function thrown(check: CheckName, variant: string, error: unknown): Finding {
  const text = error instanceof Error ? `${error.name}: ${error.message}${authorsLine(error)}` : String(error)
  const message = `${check}, ${variant}: it threw ${text}.${cause}${usualCauses[check]}.`
  return { check, variant, ok: false, figure: NaN, message }
}

const show = (n: number): string => (Number.isInteger(n) ? String(n) : n.toPrecision(3))

/** Where in the author's files an error comes from: its first line outside this package, other packages and Node. */
function authorsLine({ stack = '' }: Error): string {
  const lines = stack.split('\n').map((line) => /\(?((?:file:\/\/)?[^\s()]+):(\d+):\d+\)?$/.exec(line))
  const own = lines.find((at) => at && !foreign(at[1]!))
  return own ? ` (${basename(own[1]!)}:${own[2]})` : ''
}

const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const rooms = ['plugins', 'tensor', 'model'].map((room) => join(home, room) + sep)
const foreign = (file: string): boolean => {
  const path = file.startsWith('file://') ? fileURLToPath(file) : file
  return path.startsWith('node:') || path.includes(`${sep}node_modules${sep}`) || rooms.some((r) => path.startsWith(r))
}
