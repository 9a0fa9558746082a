// The child of an arm: its problem, and who solves it.
import { readJson } from '../../dist/puzzle/library.js'
import { entryId } from '../../dist/puzzle/library.js'
import { problemParts } from '../../dist/puzzle/problem-parts.js'
import { makeProblem, parentCost, predict, toSolution } from '../../dist/puzzle/selection-problem.js'
import { throughputOf } from '../../dist/puzzle/costs.js'
import { readSelection, toInstance } from '../../dist/solver/instance.js'
import { randomSelections } from '../../dist/solver/random.js'
import { solve } from '../../dist/solver/index.js'

/** The margin that stage `solve` has on limits on time. */
const margin = 1.05
const randoms = 20

/** Smaller is better in each. */
const columns = {
  kl: (row) => row.kl,
  lossDelta: (row) => row.lossDelta,
  nmse: (row) => row.nmse,
  top1: (row) => 1 - row.top1,
}

/** Whether both blocks of a row are changed and neither is removed: only such pairs are ever composed. */
const isPair = (row, parent) =>
  row.slot === 'block' &&
  row.run === undefined &&
  [row.attention, row.ffn].every((id) => id !== 'no-op') &&
  row.attention !== parent[row.layer].attention &&
  row.ffn !== parent[row.layer].ffn

/**
 * Chooses an arm's child.
 * @param search    its scores
 * @param removals  the search that ordered the removal of layers, asked for if need be
 * @returns its choice, the sum of its scores and its speed as predicted; or `reason`, if the method finds none
 */
export async function choose(search, { score = 'kl', composition, choose: by = 'mip' }, removals) {
  const all = await problemParts(search, composition ?? 'rss')
  const parts = {
    ...all,
    rows: all.rows
      .filter((row) => composition === undefined || !isPair(row, all.parent))
      .map((row) => ({ ...row, kl: columns[score](row) })),
  }
  const speed = (choice) => predict(parts, choice).throughput / throughputOf(parts.scenario, parentCost(parts))
  const chosen = (choice, objective) => ({ parts, choice, objective, speed: speed(choice) })
  if (by === 'depth') {
    const order = await removals()
    return order ? shortest(parts, speed, chosen, order) : { reason: 'not run' }
  }
  const problem = makeProblem(
    parts,
    { solutions: 1, minimumDifference: 0, gap: 1e-4, seed: search.seed },
    { throughput: margin },
  )
  const from = ({ choice, objective }) => chosen(toSolution(parts, choice, objective).choice, objective)
  const drawn = /^random-(\d+)$/.exec(by)
  if (drawn) {
    const instance = toInstance({ layers: problem.layers, limits: problem.limits })
    const selection = randomSelections(instance, randoms, search.seed)[drawn[1] - 1]
    if (!selection) return { reason: 'could not be repaired to meet the limit' }
    const { choice } = readSelection(instance, selection)
    return from({ choice, objective: choice.reduce((sum, id, i) => sum + scoreOf(problem, i, id), 0) })
  }
  const { solutions, baselines } = await solve(problem)
  const found = by === 'mip' ? solutions[0] : baselines[by]
  return found?.choice ? from(found) : { reason: found?.reason ?? 'nothing meets the limit' }
}

const scoreOf = (problem, layer, id) => problem.layers[layer].options.find((option) => option.id === id).score

/** Removes layers in the measured order until the limit is met. */
async function shortest(parts, speed, chosen, removals) {
  const steps = await readJson(removals, removals.stages.depth.files.depth)
  const [limit] = parts.limits
  for (let n = 1; n <= steps.length; n++) {
    const gone = new Set(steps.slice(0, n).map(({ layer }) => layer))
    const choice = parts.parent.map((own, layer) => ({
      attention: entryId(layer, 'attention', gone.has(layer) ? 'no-op' : own.attention, 'parent'),
      ffn: entryId(layer, 'ffn', gone.has(layer) ? 'no-op' : own.ffn, 'parent'),
    }))
    if (speed(choice) >= margin * limit.value) return chosen(choice, steps[n - 1].cumulative)
  }
  return { reason: `without ${steps.length} layers the limit is still not met` }
}
