import { distance, noise } from './noise.js'
import { tolerance } from './prepare.js'
import type { Measure } from './report.js'
import type { Runner } from './runner.js'

const length = 12

/** Later tokens change nothing of earlier outputs. */
export async function checkCausality(runner: Runner): Promise<Measure[]> {
  const measures: Measure[] = []
  // Long ones: products of many tokens are computed by parts.
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
    const what = `of ${total} tokens those before the ${changed + 1}th do not see what comes after`
    measures.push({ what, figure, allowed: tolerance(runner.variant) })
  }
  return measures
}

/** Sequences of a batch do not see each other. */
export async function checkBatch(runner: Runner): Promise<Measure[]> {
  const batch = 3
  const size = length * runner.variant.facts.hidden
  const x = noise(batch * size, 9)
  const together = await runner.outputs(x, batch)
  const alone: number[] = []
  for (let b = 0; b < batch; b++) alone.push(...Array.from(await runner.outputs(x.slice(b * size, (b + 1) * size), 1)))
  const what = `${batch} sequences together against each alone`
  return [{ what, figure: distance(together, alone), allowed: tolerance(runner.variant) }]
}

/** The first tokens of a sequence give the same, however many follow. */
export async function checkLength(runner: Runner): Promise<Measure[]> {
  const { hidden } = runner.variant.facts
  const x = noise(length * hidden, 9)
  const long = await runner.outputs(x, 1)
  const measures: Measure[] = []
  for (const short of [1, 7]) {
    const own = await runner.outputs(x.slice(0, short * hidden), 1)
    const figure = distance(own, first(long, short * hidden))
    measures.push({
      what: `the first ${short} of ${length} tokens alone against among all`,
      figure,
      allowed: tolerance(runner.variant),
    })
  }
  return measures
}

const first = (data: ArrayLike<number>, count: number): number[] => Array.from(data).slice(0, count)
