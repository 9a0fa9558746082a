import { solveHere, type Option, type Problem } from '../solver/index.js'
import { AssemblyPredictor, type Facets } from './assembly-predictor.js'
import { randomAssemblies } from './random-assemblies.js'
import { chosenOptions, meets, scoreOf, type MeasuredSelection, type Selection } from './selection.js'

/** Measures a selection. */
export type Measure = (choice: Selection) => Promise<number>

/** What a search in context found. */
export interface FoundInContext {
  /** All selections that meet the limits and were measured, the best first. */
  readonly measured: readonly MeasuredSelection[]
  /** The problem with scores that say what options do beside the best selection. */
  readonly problem: Problem
  readonly evaluations: number
}

/** How a search in context goes. */
export interface SearchOptions {
  /** Measurements of selections besides those of the start. */
  readonly evaluations: number
  /** Of the random selections. */
  readonly seed: number
  /** What the model loses that the scores are of. @default 0 */
  readonly base?: number
  /** @default the option itself */
  readonly facets?: Facets
  /** @param best  the least value so far */
  readonly progress?: (evaluations: number, best: number) => void
}

/**
 * Improves selections by measuring whole ones. A score says what an option costs in the parent, not beside the other options of
 * a selection. So random selections at the limits are measured first, and whole selections predicted from them
 * (`AssemblyPredictor`). Then those that promise most are measured, and predictions are fitted anew, until the budget is spent
 * or nothing new promises to be better. The same measurements lead to the same selections.
 * @param start  selections that meet the limits, at least one
 */
export async function searchInContext(
  problem: Problem,
  start: readonly Selection[],
  measure: Measure,
  { evaluations, seed, base = 0, facets = (_, option) => [option], progress = () => {} }: SearchOptions,
): Promise<FoundInContext> {
  const known = new Map<string, MeasuredSelection>()
  const first = byKey(start).size
  const spent = () => Math.max(0, known.size - first)
  const add = async (choices: readonly Selection[]) => {
    for (const [key, choice] of byKey(choices)) {
      if (known.has(key)) continue
      known.set(key, { choice, value: await measure(choice) })
      progress(spent(), allowed()[0]!.value)
    }
  }
  const allowed = () =>
    [...known.values()].filter(({ choice }) => meets(problem, choice)).sort((a, b) => a.value - b.value)
  const fit = () => AssemblyPredictor.fit(problem, facets, [...known.values()], base)

  await add(start)
  const drawn = await randomAssemblies(problem, Math.floor(evaluations * explored), seed, { kinds: ['limit'] })
  await add(drawn.map(({ choice }) => choice))
  const departed = new Set<string>()
  for (let solutions = 1; spent() < evaluations && solutions <= mostSolutions;) {
    const predictor = fit()
    const [best, ...others] = allowed().map(({ choice }) => choice)
    const departures = [best!, ...others.filter((own) => !departed.has(JSON.stringify(own))).slice(0, mostOthers)]
    const promising = new Map<string, MeasuredSelection>()
    for (const departure of departures) {
      departed.add(JSON.stringify(departure))
      for (const own of await descend(problem, predictor, departure, solutions)) {
        const key = JSON.stringify(own.choice)
        if (!known.has(key)) promising.set(key, own)
      }
    }
    const round = [...promising.values()].sort((a, b) => a.value - b.value)
    await add(round.slice(0, Math.min(evaluations - spent(), perRound)).map(({ choice }) => choice))
    if (round.length === 0 && departures.length === 1) solutions *= 2
  }
  const measured = allowed()
  return { measured, problem: around(problem, fit(), measured[0]!), evaluations: spent() }
}

/** Different selections by their JSON, in its order: the measurement of one goes on where it differs from the one before. */
const byKey = (choices: readonly Selection[]): Map<string, Selection> =>
  new Map(
    choices.map((choice) => [JSON.stringify(choice), choice] as const).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
  )

/** Standard deviations below the prediction that selections are judged by: what little is known of may be better. */
const optimism = 0.5
/** Share of the measurements that random selections get. */
const explored = 1 / 5
/** How many selections of a round the search goes on from besides the best one, which it has not gone on from before. */
const mostOthers = 5
/** Measurements before predictions are fitted anew. */
const perRound = 6
/** Solutions of each radius: one at first, twice as many when all of those are measured, and so many in the end. */
const mostSolutions = 4
/** Steps of a descent. */
const mostSteps = 6

/** In how many layers selections may differ from the one that scores were predicted beside: 1, 2, 4, 8 …, all. */
function radii(layers: number): number[] {
  const few: number[] = []
  for (let n = 2; n < layers; n *= 2) few.push(n)
  return [...few, layers]
}

/**
 * Goes from a selection to ones with a lower prediction: the problem is solved with what each option would change by itself, for
 * selections that differ in few layers and in more, and again from the best of them.
 * @returns all that were seen on the way, with their predictions
 */
async function descend(
  problem: Problem,
  predictor: AssemblyPredictor,
  from: Selection,
  solutions: number,
): Promise<MeasuredSelection[]> {
  const seen: MeasuredSelection[] = []
  let current: MeasuredSelection = { choice: from, value: predictor.predict(from, optimism) }
  for (let step = 0; step < mostSteps; step++) {
    const scored = around(problem, predictor, current, optimism)
    const found: MeasuredSelection[] = []
    // To start a thread for each would take longer than most of these problems.
    for (const layers of radii(problem.layers.length))
      for (const { choice } of (await solveHere(near(scored, current.choice, layers, solutions))).solutions)
        found.push({ choice, value: predictor.predict(choice, optimism) })
    seen.push(...found)
    const best = found.reduce((a, b) => (b.value < a.value ? b : a), current)
    if (best === current) break
    current = best
  }
  return seen
}

/**
 * The problem with scores that add up near a selection: its value is divided among its options as their scores are, and
 * the others get what the prediction changes if they take their place.
 */
function around(
  problem: Problem,
  predictor: AssemblyPredictor,
  { choice, value }: MeasuredSelection,
  deviations = 0,
): Problem {
  const sum = scoreOf(problem, choice)
  const scale = sum > 0 && value > 0 ? value / sum : 1
  const here = predictor.predict(choice, deviations)
  const spans = choice.map(() => 1)
  for (const { layer, option } of chosenOptions(problem, choice))
    spans.fill(option.span ?? 1, layer, layer + (option.span ?? 1))
  return {
    ...problem,
    layers: problem.layers.map(({ options }, layer) => ({
      options: options.map((option): Option => {
        const end = layer + (option.span ?? 1)
        // Of a run, single layers cannot be replaced.
        if (spans.slice(layer, end).some((span) => span > 1)) return { ...option, score: option.score * scale }
        const replaced = choice.slice(layer, end)
        const own = replaced.reduce(
          (total, id, i) => total + problem.layers[layer + i]!.options.find((other) => other.id === id)!.score * scale,
          0,
        )
        const changed = choice.map((id, i) => (i >= layer && i < end ? option.id : id))
        return { ...option, score: own + predictor.predict(changed, deviations) - here }
      }),
    })),
  }
}

/** The problem of the selections that differ from this one in so many layers at most. */
function near(problem: Problem, choice: Selection, layers: number, solutions: number): Problem {
  return {
    ...problem,
    solutions,
    minimumDifference: 0,
    gap: 1e-3,
    layers: problem.layers.map(({ options }, layer) => ({
      options: options.map((option) => ({
        ...option,
        costs: { ...option.costs, changed: option.id === choice[layer] ? 0 : (option.span ?? 1) },
      })),
    })),
    limits: [...(problem.limits ?? []), { cost: 'changed', max: layers }],
  }
}
