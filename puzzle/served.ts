import type { PairScenario } from './batches.js'
import { ofEachSpeed, speedsOf, type PairEstimate, type PairedPasses, type Speeds } from './speed.js'

/** Measurements of a model in a scenario: throughput in tokens/s, times in seconds, memory in bytes. */
export interface Figures {
  readonly throughput: { readonly measured: number }
  /** To the first token of all sequences. */
  readonly prefill: { readonly measured: number }
  /** Of decoding, per generated token of a sequence. */
  readonly tokenLatency: { readonly measured: number }
  readonly memoryBytes: number
}

/** What is predicted as well as measured. */
export type WithPredictions = Readonly<Record<keyof Speeds, { readonly predicted: number; readonly measured: number }>>

/** A child and its parent in a scenario. */
export interface Served<F extends Figures = Figures> {
  readonly parent: F
  readonly child: F
  /** Child / parent; throughput and times as measured in one run. */
  readonly ratios: Speeds & { readonly memory: number }
  /** The passes that throughputs, times and their ratios come from. */
  readonly timing: PairedPasses
}

/** A child and its parent in one scenario or several. */
export interface ServedInAll<F extends Figures = Figures> extends Served<F> {
  /** In the scenarios after the first, in their order; absent if there are none. */
  readonly others?: readonly Served<Pick<F, keyof Figures>>[]
}

/** Child and parent in one of the scenarios. @param index  0: the first */
export const servedAt = <F extends Figures>(all: ServedInAll<F>, index: number): Served<Pick<F, keyof Figures>> =>
  index === 0 ? all : all.others![index - 1]!

/** Replaces what was measured in one of the scenarios. */
export const withServedAt = <S extends ServedInAll>(all: S, index: number, served: Served): S =>
  index === 0
    ? { ...all, ...served }
    : { ...all, others: all.others!.map((own, i) => (i === index - 1 ? served : own)) }

/** The memory of parent and child in a scenario, and the speeds of these passes. */
export function served(
  scenario: PairScenario,
  [parent, child]: readonly [parent: number, child: number],
  timing: PairedPasses,
): Served {
  const untimed = ofEachSpeed(() => ({ measured: 0 }))
  const ratios = { ...ofEachSpeed(() => 0), memory: child / parent }
  const own = {
    ...{ parent: { ...untimed, memoryBytes: parent }, child: { ...untimed, memoryBytes: child } },
    ...{ ratios, timing },
  }
  return withTiming(own, scenario, timing)
}

/** Returns what was measured in a scenario with the speeds of these passes. */
export function withTiming<S extends Served>(measured: S, scenario: PairScenario, timing: PairedPasses): S {
  const speeds = speedsOf(scenario, timing)
  const withSpeeds = (own: Figures, of: (pair: PairEstimate) => number): Figures => ({
    ...own,
    ...ofEachSpeed((name) => ({ ...own[name], measured: of(speeds[name]) })),
  })
  return {
    ...measured,
    parent: withSpeeds(measured.parent, ({ parent }) => parent),
    child: withSpeeds(measured.child, ({ child }) => child.value),
    ratios: { ...measured.ratios, ...ofEachSpeed((name) => speeds[name].ratio.value) },
    timing,
  }
}
