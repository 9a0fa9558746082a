import { basename, dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure } from '../../api/index.js'

/** The checks, each with the mistake that most often makes it fail. */
export const usualCauses = {
  variants: '`variants` or `id` omits a parameter, or a parameter is not JSON (undefined, a function, NaN)',
  shapes:
    '`shapes`, `state`, `learnsFirst` or `lastMatrix` depends on something other than facts and parameters, or names a weight that does not exist',
  initialise:
    '`initialise` uses random numbers, modifies the weights of the parent, or computes a size differently from `shapes`',
  forward: 'a constant does not have the type of x (use x.dtype), or a size is only right for one batch or length',
  gradient: 'a node was emitted without a rule, or its rule is not the derivative of what it computes',
  decoding:
    'the state lacks something that later tokens need, `past` is ignored, positions are counted from the start of the chunk, or a mask is missing',
  causality: 'no causal mask, or a mask that is off by one; a sum or norm over all tokens',
  batch: 'sequences are mixed: by a reshape that merges batch with another axis, or a mean over all rows',
  length:
    'something depends on the number of tokens in the chunk: a mean over tokens, or a position counted from the end',
  repeatable: '`forward` uses random numbers or keeps data between calls',
  decoder:
    'the state that `forward` returns does not match `state`, or `forward` expects another number of tokens than it gets',
  checkpoint:
    '`shapes` depends on sizes that another block of the layer changes, or the parameters lose something as JSON',
  costs: '`shapes` or `state` declares other sizes than the actual weights and states have',
  start: '`initialise` ignores the parent’s weights, mixes up their axes ([in, out]), or scales them wrongly',
} as const

/** Name of a check. */
export type CheckName = keyof typeof usualCauses

const cause = ' Usual cause: '

/** Result of one check for one variant. */
export interface Finding {
  /** The check. */
  readonly check: CheckName
  /** The variant's id and the parent it was created for, or the type's name if the finding is about all variants. */
  readonly variant: string
  /** Whether the check passed. */
  readonly ok: boolean
  /** Relative error, or number of mistakes; NaN if the check threw an error. */
  readonly figure: number
  /** A sentence for people; for a failure, with the usual cause. */
  readonly message: string
}

/** A measured figure and its upper limit. */
export interface Measure {
  readonly what: string
  readonly figure: number
  readonly allowed: number
}

/** All findings about a block type. */
export class BlockReport {
  constructor(
    /** Name of the block type. */
    readonly type: string,
    /** The results of all checks. */
    readonly findings: readonly Finding[],
  ) {}

  /** The findings of failed checks. */
  get failures(): readonly Finding[] {
    return this.findings.filter(({ ok }) => !ok)
  }

  /** @throws Failure `PluginBug` with a line for each failed check, if there is one; each usual cause appears once */
  throwIfFailed(): void {
    const { failures, findings, type } = this
    if (failures.length === 0) return
    const explained = new Set<CheckName>()
    const lines = failures.map(({ check, message }) => {
      const text = explained.has(check) ? message.slice(0, message.indexOf(cause)) : message
      explained.add(check)
      return `  ${text}`
    })
    throw new Failure(
      'PluginBug',
      [`${failures.length} of ${findings.length} checks of block type "${type}" failed:`, ...lines].join('\n'),
    )
  }
}

/** Turns a measure into a finding. */
export function finding(check: CheckName, variant: string, { what, figure, allowed }: Measure): Finding {
  // Unlike `!(figure > allowed)`, this fails for NaN.
  const ok = figure <= allowed
  const numbers = allowed === 0 ? `${show(figure)} wrong` : `${show(figure)}, at most ${show(allowed)} is allowed`
  const message = `${check}, ${variant}: ${what}${ok && allowed === 0 ? '' : `: ${numbers}`}.`
  return { check, variant, ok, figure, message: ok ? message : `${message}${cause}${usualCauses[check]}.` }
}

/** Turns an error of a check into a finding. */
export function thrown(check: CheckName, variant: string, error: unknown): Finding {
  const text = error instanceof Error ? `${error.name}: ${error.message}${authorsLine(error)}` : String(error)
  const message = `${check}, ${variant}: it threw ${text}.${cause}${usualCauses[check]}.`
  return { check, variant, ok: false, figure: NaN, message }
}

const show = (n: number): string => (Number.isInteger(n) ? String(n) : n.toPrecision(3))

/** The line of the author's code that an error comes from: the first one outside this package, other packages and Node. */
function authorsLine({ stack = '' }: Error): string {
  const lines = stack.split('\n').map((line) => /\(?((?:file:\/\/)?[^\s()]+):(\d+):\d+\)?$/.exec(line))
  const line = lines.find((at) => at && !foreign(at[1]!))
  return line ? ` (${basename(line[1]!)}:${line[2]})` : ''
}

const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const rooms = ['plugins', 'tensor', 'model'].map((room) => join(home, room) + sep)
const foreign = (file: string): boolean => {
  const path = file.startsWith('file://') ? fileURLToPath(file) : file
  return path.startsWith('node:') || path.includes(`${sep}node_modules${sep}`) || rooms.some((r) => path.startsWith(r))
}
