import { distance, noise } from './noise.js'
import { tolerance } from './prepare.js'
import type { Measure } from './report.js'
import type { Runner } from './runner.js'

const length = 12

/** Later tokens must not affect earlier outputs. */
export async function checkCausality(runner: Runner): Promise<Measure[]> {
  const measures: Measure[] = []
  // Long sequences matter because some blocks process many tokens in parts.
  for (const [total, changed] of [
    [length, 1],
    [length, 7],
    [200, 150],
  ] as const) {
    const { hidden } = runner.variant.facts
    const x = noise(total * hidden, 5)
    const other = x.slice()
    other.set(noise((total - changed) * hidden, 6), changed * hidden)
    const [before, after] = [await runner.outputs(x, 1), await runner.outputs(other, 1)]
    const figure = distance(first(after, changed * hidden), first(before, changed * hidden))
    const what = `of ${total} tokens, the first ${changed} do not attend to later ones`
    measures.push({ what, figure, allowed: tolerance(runner.variant) })
  }
  return measures
}

/** Sequences of a batch must not affect each other. */
export async function checkBatch(runner: Runner): Promise<Measure[]> {
  const batch = 3
  const size = length * runner.variant.facts.hidden
  const x = noise(batch * size, 9)
  const together = await runner.outputs(x, batch)
  const alone: number[] = []
  for (let b = 0; b < batch; b++) alone.push(...Array.from(await runner.outputs(x.slice(b * size, (b + 1) * size), 1)))
  const what = `${batch} sequences in a batch compared with each alone`
  return [{ what, figure: distance(together, alone), allowed: tolerance(runner.variant) }]
}

/** The outputs of the first tokens must not depend on how many follow. */
export async function checkLength(runner: Runner): Promise<Measure[]> {
  const { hidden } = runner.variant.facts
  const x = noise(length * hidden, 9)
  const long = await runner.outputs(x, 1)
  const measures: Measure[] = []
  for (const short of [1, 7]) {
    const alone = await runner.outputs(x.slice(0, short * hidden), 1)
    const figure = distance(alone, first(long, short * hidden))
    measures.push({
      what: `the first ${short} of ${length} tokens alone compared with all ${length}`,
      figure,
      allowed: tolerance(runner.variant),
    })
  }
  return measures
}

const first = (data: ArrayLike<number>, count: number): number[] => Array.from(data).slice(0, count)
