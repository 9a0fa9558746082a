import { solveHere, type Problem } from '../solver/index.js'
import { normal, uniform } from '../tensor/random.js'

/** A random assembly: the option of each layer, as the solver names them. */
export interface RandomAssembly {
  readonly choice: readonly string[]
  /** `limit`: uses the limits up, as solutions do; `any`: a share of layers that is drawn anew is changed at random. */
  readonly kind: 'limit' | 'any'
}

/**
 * Draws assemblies of a selection problem, the same for the same seed: by turns one at the limits (the solution of the problem
 * with its scores multiplied by random factors), and one of any cost.
 * @param options.kinds   default: both
 * @param options.spread  standard deviation of the factors' logarithm; default: 1
 */
export async function randomAssemblies(
  problem: Problem,
  count: number,
  seed: number,
  { kinds = ['limit', 'any'], spread = 1 }: { kinds?: readonly RandomAssembly['kind'][]; spread?: number } = {},
): Promise<RandomAssembly[]> {
  const random = uniform(seed)
  const gaussian = normal(seed + 1)
  const drawn: RandomAssembly[] = []
  const known = new Set<string>()
  for (let attempt = 0; drawn.length < count && attempt < 20 * count; attempt++) {
    const kind = kinds[drawn.length % kinds.length]!
    const choice = kind === 'limit' ? await atLimit(problem, gaussian, spread) : anyOf(problem, random)
    if (!choice || known.has(choice.join())) continue
    known.add(choice.join())
    drawn.push({ choice, kind })
  }
  return drawn
}

async function atLimit(
  problem: Problem,
  gaussian: () => number,
  spread: number,
): Promise<readonly string[] | undefined> {
  const layers = problem.layers.map(({ options }) => ({
    options: options.map((option) => ({ ...option, score: option.score * Math.exp(spread * gaussian()) })),
  }))
  const { solutions } = await solveHere({ ...problem, layers, solutions: 1, gap: 1e-2 })
  return solutions[0]?.choice
}

/** Any option of some layers, and the one with the lowest score of the others. */
function anyOf({ layers }: Problem, random: () => number): string[] {
  const share = random()
  return layers.map(({ options }) => {
    const single = options.filter(({ span = 1, requires = [] }) => span === 1 && requires.length === 0)
    const best = single.reduce((a, b) => (b.score < a.score ? b : a))
    return random() < share ? single[Math.floor(random() * single.length)]!.id : best.id
  })
}
